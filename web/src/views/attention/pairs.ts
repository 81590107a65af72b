/** Pairs of query and key, strongest first: those of a token in focus, and those of a table. */
import type { Attention } from '../../draw/attention/data';
import type { Pattern } from '../../draw/attention/pattern';
import type { Focus } from '../../draw/attention/shown';
import { partners } from '../../draw/attention/text';

export interface Pair {
  /** Positions. */
  query: number;
  key: number;
  value: number;
}

/** The strongest pairs of a token, and those of them all that are drawn. */
export function pairsOf(
  pattern: Pattern,
  focus: Focus,
  most: number,
): { pairs: Pair[]; kept: Pair[] } {
  const pairs = partners(pattern, focus, most).map(({ position, value }) =>
    focus.side === 'query'
      ? { query: focus.position, key: position, value }
      : { query: position, key: focus.position, value },
  );
  return {
    pairs,
    kept: keptPairs(pattern).filter((pair) => pair[focus.side] === focus.position),
  };
}

type Sides = Pick<Attention, 'baseline' | 'edited'>;

/** Edits are of both sides: of two prompts, a pair within the shorter one can be cut. */
export function canCut({ baseline, edited }: Sides, { query, key }: Omit<Pair, 'value'>): boolean {
  return [baseline, edited ?? baseline].every(
    ({ tokens }) => query < tokens.query.length && key < tokens.key.length,
  );
}

export function inBoth(sides: Sides, pairs: readonly Pair[]): Pair[] {
  return pairs.filter((pair) => canCut(sides, pair));
}

/** All pairs that are drawn, strongest first. */
export function keptPairs({ queries, edges }: Pattern): Pair[] {
  return Array.from(edges.values, (value, at) => ({
    query: queries[edges.rows[at] ?? 0] ?? 0,
    key: edges.keys[at] ?? 0,
    value,
  }));
}
