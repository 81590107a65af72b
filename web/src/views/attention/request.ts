/** What the server is asked for, and how much that is: known before it is asked. */
import { attentionOptions, type AttentionState } from './attentionState';
import { promptOf, type Asked, type Prompted } from '../../shared/text/chat';
import { askedHeads, headCount, partOf, type AskedHeads, type Head, type Heads } from './picks';

/** What effects are on, with the measure of that name. */
export interface Rated {
  /** Text, or the id of a token; null: not known yet. */
  target: string | number | null;
  /** As it is said. */
  label: string;
  distractor: string | null;
}

export type AttentionBody = ReturnType<typeof attentionOptions> &
  AskedHeads & {
    queries: number[] | null;
    against?: Asked['prompt'];
    target?: string | number | null;
    distractor?: string | null;
  };

/** Positions that look; null: all. Those beyond the prompt are left out. */
export function askedQueries(
  queries: AttentionState['queries'],
  length: number,
  position: number | null,
): number[] | null {
  if (queries === 'all') return null;
  const wanted = queries === 'position' ? [position ?? -1] : queries;
  const inside = wanted
    .map((at) => (at < 0 ? length + at : at))
    .filter((at) => at >= 0 && at < length);
  const each = [...new Set(inside)].toSorted((a, b) => a - b);
  return each.length === 0 || each.length === length ? null : each;
}

/** The other prompt, as the own one is given; null: there is none, or only an encoder is asked, which reads the source. */
export function otherOf(
  spec: Prompted & { attention: AttentionState },
  heads: readonly Head[],
): Prompted | null {
  const { against } = spec.attention;
  return against === '' || partOf(heads) === 'encoder' ? null : { ...spec, prompt: against };
}

/** `queries`: as they are asked for. */
export function attentionBody(
  state: AttentionState,
  heads: readonly Head[],
  model: Heads,
  queries: number[] | null,
  rated: Rated | null,
  paired = false,
  other: Prompted | null = null,
): AttentionBody {
  return {
    ...attentionOptions(state, paired),
    ...askedHeads(heads, model),
    queries,
    ...(other ? { against: promptOf(other) } : {}),
    ...(rated ? { target: rated.target, distractor: rated.distractor } : {}),
  };
}

export interface AttentionCost {
  heads: number;
  queries: number;
  keys: number;
  /** One for the baseline, one for the edits; or one for each prompt. */
  runs: number;
  numbers: number;
}

/** Tokens of a prompt, and of what an encoder reads beside it. */
export interface Lengths {
  prompt: number;
  source: number;
}

/** Each side may have its part of what is sent: of two prompts the larger one counts. */
export function attentionCost(
  body: AttentionBody,
  model: Heads,
  sides: readonly Lengths[],
  runs: number,
): AttentionCost {
  const part = body.part ?? 'self';
  const all = (layer: number) => headCount(model, part, layer);
  const heads = body.layers.reduce((sum, one) => sum + (body.heads?.length ?? all(one)), 0);
  const sizes = sides.map(({ prompt, source }) => ({
    queries: body.queries?.length ?? (part === 'encoder' ? source : prompt),
    keys: part === 'self' ? prompt : source,
  }));
  const { queries, keys } = sizes.reduce(
    (most, one) => (one.queries * one.keys > most.queries * most.keys ? one : most),
    { queries: 0, keys: 0 },
  );
  return { heads, queries, keys, runs, numbers: heads * queries * keys * runs };
}
