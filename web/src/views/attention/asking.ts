/** What the view asks: of which heads, toward which target, and of one head that is only pointed at. */
import { useEffect, useMemo, useState } from 'react';
import type { Attention } from '../../draw/attention/data';
import { showSpaces } from '../../draw/tokens';
import { useNextTokens, useTokens, type ModelInfo } from '../../shared/api/queries';
import type { Experiment } from '../../shared/state/experiment';
import { useSpec } from '../../shared/state/store';
import { askedOf, type Prompted } from '../../shared/text/chat';
import { headName, headsOf, parsePicks, partOf, type Head } from './picks';
import { useAttention } from './query';
import {
  askedQueries,
  attentionBody,
  attentionCost,
  otherOf,
  type AttentionBody,
  type AttentionCost,
  type Lengths,
  type Rated,
} from './request';

export interface Asked {
  heads: Head[];
  /** Whose attention is the second side; null: of the edited run, where there is one. */
  other: Prompted | null;
  /** Null: nothing can be asked yet. */
  body: AttentionBody | null;
  /** More than the server sends; null: it is not. */
  over: AttentionCost | null;
  /** The target is still asked for. */
  waiting: boolean;
}

export function useAsked(
  model: ModelInfo | null,
  experiment: Experiment,
  rated: Rated | null,
): Asked {
  const spec = useSpec();
  const { attention, edits, pair } = spec;
  const length = experiment.tokens?.length ?? 0;
  const own = useLengths(spec);
  const others = useLengths({ ...spec, prompt: attention.against }, attention.against !== '');
  const { position } = experiment;
  return useMemo(() => {
    if (!model) return { heads: [], other: null, body: null, over: null, waiting: false };
    const heads = headsOf(attention.picks, model);
    const target = (rated?.target ?? null) !== null;
    // Positions are those of the prompt; an encoder's are of the source.
    const queries =
      partOf(heads) === 'encoder' ? null : askedQueries(attention.queries, length, position);
    const other = otherOf(spec, heads);
    const body = attentionBody(attention, heads, model, queries, rated, pair !== '', other);
    const runs = other || edits.some((made) => made.enabled) ? 2 : 1;
    const sides = other ? [own, others] : [own];
    const known = sides.filter((side) => side !== null);
    const missing = known.length < sides.length || (attention.measure === 'target' && !target);
    const cost = attentionCost(body, model, known, runs);
    const over = cost.numbers > model.limits.max_attention_numbers ? cost : null;
    const waiting = length > 0 && missing && !over;
    return { heads, other, body: length === 0 || missing || over ? null : body, over, waiting };
  }, [model, spec, attention, edits, rated, length, own, others, position, pair]);
}

const NOTHING: Lengths = { prompt: 0, source: 0 };

/** Null while they are not known; of what the server refuses, it says why when it is asked for more. */
function useLengths(prompted: Prompted, enabled = true): Lengths | null {
  const { data, isError } = useTokens(askedOf(prompted), enabled);
  return useMemo(() => {
    if (isError) return NOTHING;
    return data ? { prompt: data.tokens.length, source: data.source_tokens.length } : null;
  }, [data, isError]);
}

/** What effects are on: the typed target, else what is most likely at the position. */
export function useRated(position: number | null): Rated | null {
  const spec = useSpec();
  const { target, distractor, attention } = spec;
  const effects = attention.measure === 'target';
  const own = effects && target === '';
  const asked = { ...spec, edits: [], target: '', distractor: '', k: 1 };
  const { data } = useNextTokens(asked, own ? position : null);
  const best = data?.baseline.next_token.top[0]?.token ?? null;
  return useMemo(() => {
    if (!effects) return null;
    const other = distractor === '' ? null : distractor;
    return own
      ? { target: best?.id ?? null, label: best?.label ?? '…', distractor: other }
      : { target, label: showSpaces(target), distractor: other };
  }, [effects, own, best, target, distractor]);
}

// ------------------------------------------------------------------ one head that is pointed at

const PREVIEW_MS = 120;

/** What stands in place of the heads that are shown; null: nothing does. */
export interface Preview {
  head: string;
  /** Null: it is among those shown. */
  attention: Attention | null;
}

/** A head that is not among those shown is asked for, once the pointer rests on it. */
export function usePreview({ heads, body }: Asked, name: string | null): Preview | null {
  const spec = useSpec();
  const rested = useRested(name);
  const there = name !== null && heads.some((head) => headName(head) === name);
  const one = useMemo(() => (rested === null || there ? [] : headsNamed(rested)), [rested, there]);
  const [head] = one;
  const asked =
    body && head ? { ...body, layers: [head.layer], heads: [head.head], weights: null } : null;
  const analysis = useAttention('preview', spec, one, asked);
  if (name === null) return null;
  if (there) return { head: name, attention: null };
  const { data, current } = analysis;
  return asked && current && data?.meta.heads[0] === name ? { head: name, attention: data } : null;
}

function headsNamed(name: string): Head[] {
  return (parsePicks(name) ?? []).flatMap((pick) =>
    pick.head === null ? [] : [{ ...pick, head: pick.head }],
  );
}

function useRested(name: string | null): string | null {
  const [rested, setRested] = useState<string | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setRested(name), name === null ? 0 : PREVIEW_MS);
    return () => clearTimeout(timer);
  }, [name]);
  return rested;
}
