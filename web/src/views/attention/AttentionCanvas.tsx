/** The drawing of `draw/`, with what the page knows: theme, pop-up, what the model predicts at a token. */
import { useEffect, useLayoutEffect, useState } from 'react';
import { attentionCard } from '../../draw/attention/card';
import { PROMPTS, type SideName } from '../../draw/attention/data';
import type { AttentionEvents, AttentionShown, Focus, Pointed } from '../../draw/attention/shown';
import { AttentionView as Drawing } from '../../draw/attention/view';
import type { CardContent } from '../../draw/card';
import { probability } from '../../draw/format';
import { useNextTokens, type ModelInfo } from '../../shared/api/queries';
import { useDrawing } from '../../shared/parts/useDrawing';
import { dropPeek, hidePeek, showPeek } from '../../shared/state/peek';
import { change, useSpec } from '../../shared/state/store';
import type { Predictions } from '../../shared/text/predictions';
import { setAttention } from './attentionState';
import { parsePicks } from './picks';

interface Props {
  shown: AttentionShown;
  model: ModelInfo;
}

interface Hovered {
  at: Pointed;
  place: DOMRect;
}

const LABEL = 'Attention: arrow keys go from token to token, Enter locks one, Esc unlocks it';
/** A token that is only passed over is asked nothing. */
const REST_MS = 150;
const LISTED = 5;

const drawingIn = (box: HTMLElement, events: Required<AttentionEvents>) =>
  new Drawing(box, events, { label: LABEL });

export function AttentionCanvas({ shown, model }: Props) {
  const [hovered, setHovered] = useState<Hovered | null>(null);
  const [box, made] = useDrawing(drawingIn, {
    hover: (at: Pointed | null, place: DOMRect | null) =>
      setHovered(at && place ? { at, place } : null),
    focus: (focus) => lock(focus, shown),
    head: (name: string) => setAttention({ picks: parsePicks(name) ?? [] }),
    pair: (query: number) => lock({ side: 'query', position: query }, shown),
    moved: dropPeek,
  });
  useLayoutEffect(() => made.current?.show(shown), [made, shown]);
  useCard(shown, hovered, model);
  return <div ref={box} className="attention-canvas" />;
}

/** A locked token is the chosen one of the page, too. */
function lock(focus: Focus | null, shown: AttentionShown): void {
  setAttention({ focus }, 'replace');
  if (focus && ofPrompt(focus, shown)) change({ position: focus.position }, 'replace');
}

/** It is a token of the prompt: another one may be longer, keys may be those of a source, and an encoder's tokens all are. */
function ofPrompt({ side, position }: Focus, { attention }: AttentionShown): boolean {
  if (position >= attention.baseline.tokens[side].length) return false;
  const part = parsePicks(attention.meta.heads[0] ?? '')?.[0]?.part ?? 'self';
  return part === 'self' || (part === 'cross' && side === 'query');
}

/** The pop-up; at a token with what is predicted there, as soon as that is known. */
function useCard(shown: AttentionShown, hovered: Hovered | null, model: ModelInfo): void {
  const token = hovered?.at.kind === 'token' && ofPrompt(hovered.at, shown) ? hovered.at : null;
  const rested = useRested(token?.position ?? null);
  const spec = useSpec();
  const asked = { ...spec, target: '', distractor: '', k: LISTED };
  const { attention, mode, head } = shown;
  const two = attention.names === PROMPTS;
  const there = two && rested !== null && rested < (attention.edited?.tokens.query.length ?? 0);
  const own = useNextTokens(asked, rested).data;
  const other = useNextTokens(
    { ...asked, prompt: spec.attention.against },
    there ? rested : null,
  ).data;
  useEffect(() => {
    if (!hovered) return hidePeek();
    const { at, place } = hovered;
    const card = attentionCard(attention, mode, at, head);
    const known = (data: Predictions | null) =>
      token && data?.position === token.position ? data : null;
    const [first, second] = [known(own), known(other)];
    const reads = two
      ? { baseline: last(first), edited: last(second) }
      : { baseline: first?.baseline ?? null, edited: last(first) };
    showPeek(place, withPredictions(card, reads, model));
  }, [hovered, token, attention, mode, head, two, own, other, model]);
  useEffect(() => hidePeek, []);
}

/** The position once the pointer has stayed there for a moment. */
function useRested(position: number | null): number | null {
  const [rested, setRested] = useState<number | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setRested(position), position === null ? 0 : REST_MS);
    return () => clearTimeout(timer);
  }, [position]);
  return rested === position ? rested : null;
}

type Read = Predictions['baseline'] | null;

/** With the edits, where there are any. */
function last(data: Predictions | null): Read {
  return data ? (data.edited ?? data.baseline) : null;
}

function withPredictions(
  card: CardContent,
  reads: Readonly<Record<SideName, Read>>,
  model: ModelInfo,
): CardContent {
  const name = model.kind === 'masked' ? 'predicted here' : 'predicted next';
  return {
    ...card,
    sides: card.sides.map((side) => {
      const read = reads[side.side];
      if (!read) return side;
      const top = read.next_token.top
        .slice(0, LISTED)
        .map(({ token, probability: p }) => `${token.label} ${probability(p)}`);
      return { ...side, also: [...(side.also ?? []), [name, top]] };
    }),
  };
}
