/** Which pairs of a matrix are kept: of each row the fewest that hold a part of it. */
import type { Edges } from './data';

/**
 * By absolute value, the one that reaches the part included; of equal ones the earlier key; at 1 every
 * entry but 0. As `edges` of analyses/attention, so that one head and a difference are kept by the same rule.
 */
export function edgesOf(matrix: Float32Array, rows: number, keys: number, mass: number): Edges {
  const found: Array<[row: number, key: number, value: number]> = [];
  for (let row = 0; row < rows; row++)
    for (const key of keptOf(matrix.subarray(row * keys, (row + 1) * keys), mass))
      found.push([row, key, matrix[row * keys + key] ?? 0]);
  found.sort((one, other) => Math.abs(other[2]) - Math.abs(one[2]));
  return {
    rows: Uint32Array.from(found, ([row]) => row),
    keys: Uint32Array.from(found, ([, key]) => key),
    values: Float32Array.from(found, ([, , value]) => value),
    all: found.length,
  };
}

function keptOf(row: Float32Array, mass: number): number[] {
  const keys: number[] = [];
  let whole = 0;
  for (const [key, value] of row.entries()) {
    if (value === 0 || Number.isNaN(value)) continue;
    keys.push(key);
    whole += Math.abs(value);
  }
  if (mass >= 1) return keys;
  const strength = (key: number) => Math.abs(row[key] ?? 0);
  keys.sort((one, other) => strength(other) - strength(one) || one - other);
  let before = 0;
  const kept: number[] = [];
  for (const key of keys) {
    if (before >= mass * whole) break;
    kept.push(key);
    before += strength(key);
  }
  return kept;
}
