/** Pairs of positions by hand, "3=4": of the own prompt, and of the one beside it. Pure. */

export type Pair = readonly [here: number, there: number];

const PAIR = /^(\d{1,7})=(\d{1,7})$/;
/** Of one address. */
export const MOST_PAIRS = 64;

export function readPair(written: string): Pair | null {
  const found = PAIR.exec(written);
  return found ? [Number(found[1]), Number(found[2])] : null;
}

/** Null: they are no pairs, or a position has two partners. */
export function readPairs(written: readonly string[]): Pair[] | null {
  const pairs = written.map(readPair);
  const whole = pairs.filter((pair): pair is Pair => pair !== null);
  const once = [0, 1].every(
    (side) => new Set(whole.map((pair) => pair[side])).size === whole.length,
  );
  return whole.length === written.length && once ? whole : null;
}

/** With one more pair, which takes both from the partners that they had. */
export function paired(align: readonly string[], [here, there]: Pair): string[] {
  return [...align.filter((one) => !touches(one, here, there)), `${here}=${there}`];
}

function touches(written: string, here: number, there: number): boolean {
  const pair = readPair(written);
  return pair !== null && (pair[0] === here || pair[1] === there);
}

/** For each position of the other prompt its partner, where pairs by hand say so theirs. */
export function withPairs(
  partners: ReadonlyArray<number | null>,
  pairs: readonly Pair[],
  own: number,
): Array<number | null> {
  const there = pairs.filter(([here, at]) => here < own && at < partners.length);
  const taken = new Set(there.map(([here]) => here));
  const found = partners.map((partner) =>
    partner !== null && taken.has(partner) ? null : partner,
  );
  for (const [here, at] of there) found[at] = here;
  return found;
}
