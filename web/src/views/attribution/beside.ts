/** The attribution of another prompt as a hook: asked with the own one's options, at the aligned position. */
import { useMemo } from 'react';
import { useTokens, type Analysis } from '../../shared/api/queries';
import { askedOf } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import { useAttribution, type Comparison } from './query';
import type { Token } from './rows';
import { readPairs } from './pairing';
import { besideOf, compared } from './twoPrompts';

export interface BesideAnswer {
  analysis: Analysis<Comparison>;
  /** Both, as one comparison; what there is while the other one is on its way. */
  answer: Comparison | null;
  /** Of the other prompt, in the columns of both; null: there is no other prompt. */
  tokens: ReadonlyArray<Token | null> | null;
  /** Of each position of the other prompt. */
  columns: readonly number[];
}

const NONE: readonly number[] = [];

export function useBeside(
  spec: Spec,
  own: Comparison | null,
  tokens: readonly Token[] | null,
  position: number | null,
  layers: number,
): BesideAnswer {
  const { beside, align } = spec.attribution;
  const pairs = useMemo(() => readPairs(align) ?? [], [align]);
  const there = beside !== '';
  const asked = { ...spec, prompt: beside, edits: [] };
  const others = useTokens(askedOf(asked), there).data?.tokens ?? null;
  const side = useMemo(
    () => (there && tokens && others ? besideOf(tokens, others, pairs) : null),
    [there, tokens, others, pairs],
  );
  const partner = side?.columns.indexOf(position ?? -1) ?? -1;
  const last = (others?.length ?? 0) - 1;
  const { positions } = spec.attribution;
  const chosen = positions && side ? positions.map((at) => side.columns.indexOf(at)) : null;
  const attribution = { ...spec.attribution, positions: chosen };
  const analysis = useAttribution(
    { ...asked, attribution },
    side ? (partner >= 0 ? partner : last) : null,
    { layers, positions: others?.length ?? 0 },
    side !== null,
    'attribute-beside',
  );
  const other = there ? analysis.data : null;
  const answer = useMemo(
    () => (own && other ? compared(own.baseline, other.baseline, pairs) : own),
    [own, other, pairs],
  );
  return {
    analysis,
    answer,
    columns: side?.columns ?? NONE,
    tokens:
      side && others ? side.tokens.map((_, at) => others[side.columns.indexOf(at)] ?? null) : null,
  };
}
