/** What lies under a point of the two columns. */
import { descent, HEADER, middle, positionAt, within, type Geometry } from './geometry';
import type { Pattern } from './pattern';
import type { Focus, Pointed } from './shown';

/** px that a pointer may be off a curve. */
const NEAR = 4;

export function hitColumns(
  pattern: Pattern,
  geometry: Geometry,
  scrollY: number,
  at: { x: number; y: number },
  /** Edges that are drawn. */
  drawn: readonly number[],
): Pointed | null {
  if (at.y < HEADER) return headAt(pattern, geometry, at.x, null);
  const y = at.y - HEADER + scrollY;
  if (within(geometry.curves, at.x)) return curveAt(pattern, geometry, at.x, y, drawn);
  const position = positionAt(geometry, y);
  const side = at.x < (geometry.curves.from + geometry.curves.to) / 2 ? 'query' : 'key';
  if (position === null || position >= pattern.tokens[side].length) return null;
  const onLabel = within(side === 'query' ? geometry.queries : geometry.keys, at.x);
  if (onLabel) return side === 'query' && position < 0 ? null : { kind: 'token', side, position };
  return position < 0 ? null : headAt(pattern, geometry, at.x, position);
}

function headAt(
  { maps }: Pattern,
  { left, right, map }: Geometry,
  x: number,
  position: number | null,
): Pointed | null {
  const side: Focus['side'] | null = within(left, x) ? 'query' : within(right, x) ? 'key' : null;
  if (side === null) return null;
  const from = side === 'query' ? left.from : right.from;
  const head = maps.heads[Math.floor(((x - from) / map) * maps.heads.length)];
  return head === undefined ? null : { kind: 'head', head, side, position: position ?? -1 };
}

/** The nearest of the curves that are drawn; of several as near the strongest. */
function curveAt(
  pattern: Pattern,
  geometry: Geometry,
  x: number,
  y: number,
  drawn: readonly number[],
): Pointed | null {
  const { from, to } = geometry.curves;
  const down = descent((x - from) / (to - from));
  const { queries } = pattern;
  const { edges, sink } = pattern;
  let best: Pointed | null = null;
  let nearest = NEAR;
  const offer = (query: number, key: number) => {
    const start = middle(geometry, query);
    const off = Math.abs(start + (middle(geometry, key) - start) * down - y);
    if (off >= nearest - 0.5 && best !== null) return;
    if (off > nearest) return;
    nearest = off;
    best = { kind: 'pair', query, key };
  };
  for (const at of drawn) offer(queries[edges.rows[at] ?? 0] ?? 0, edges.keys[at] ?? 0);
  for (const [row, value] of (sink ?? []).entries()) if (value !== 0) offer(queries[row] ?? 0, -1);
  return best;
}
