/** Two lists of tokens side by side: by their longest common parts. Pure. */

/**
 * For each token of the second list the one of the first that it stands beside; null: none.
 *
 * The longest part that both have stands beside itself, then the same left and right of it. What lies
 * between two such parts is taken one by one where both have as many.
 */
export function align(first: readonly number[], second: readonly number[]): Array<number | null> {
  const found: Array<number | null> = second.map(() => null);
  const open: Array<[a0: number, a1: number, b0: number, b1: number]> = [
    [0, first.length, 0, second.length],
  ];
  for (let part = open.pop(); part; part = open.pop()) {
    const [a0, a1, b0, b1] = part;
    const { a, b, length } = longest(first, second, part);
    if (length === 0) {
      if (a1 - a0 === b1 - b0) for (let at = b0; at < b1; at++) found[at] = a0 + at - b0;
      continue;
    }
    for (let at = 0; at < length; at++) found[b + at] = a + at;
    open.push([a0, a, b0, b], [a + length, a1, b + length, b1]);
  }
  return found;
}

/** The longest stretch that both have; the first of them. */
function longest(
  first: readonly number[],
  second: readonly number[],
  [a0, a1, b0, b1]: readonly [number, number, number, number],
) {
  let best = { a: a0, b: b0, length: 0 };
  let last = new Uint32Array(b1 - b0 + 1);
  for (let a = a0; a < a1; a++) {
    const row = new Uint32Array(b1 - b0 + 1);
    for (let b = b0; b < b1; b++) {
      if (first[a] !== second[b]) continue;
      const length = (last[b - b0] ?? 0) + 1;
      row[b - b0 + 1] = length;
      if (length > best.length) best = { a: a - length + 1, b: b - length + 1, length };
    }
    last = row;
  }
  return best;
}
