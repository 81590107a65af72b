/**
 * Where the nodes of a circuit stand: layers from left to right, heads one below the other, the
 * feed-forward of a layer below and to the right of them. Places depend on the model alone, so that
 * nothing moves where edges come and go. Pure numbers, px.
 */
import { sideOf, type CircuitData, type Edge } from './data';

export interface Box {
  id: string;
  label: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A curve from the right of one box to the left of another. */
export interface Curve {
  edge: Edge;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

export interface Layout {
  boxes: ReadonlyMap<string, Box>;
  /** The smallest effect first: large ones lie on top. */
  curves: readonly Curve[];
  columns: ReadonlyArray<{ name: string; x: number }>;
  width: number;
  height: number;
}

const MARGIN = 14;
export const HEADER = 24;
const BOX_HEIGHT = 18;
const ROW = { least: 24, most: 72 };
const COLUMN = { least: 46, most: 120 };
/** Of a column: how wide a box is, and how far the feed-forward stands to the right. */
const BOX_SHARE = 0.46;
const END_SHARE = 0.8;
const ASIDE = 0.34;

/** In a box of this size; what has no room there is larger. */
export function layOut(data: CircuitData, room: { width: number; height: number }): Layout {
  const rows = Math.max(1, ...data.heads) + 1;
  const columns = data.heads.length + 2;
  const pitch = within(COLUMN, (room.width - 2 * MARGIN) / columns);
  const row = within(ROW, (room.height - HEADER - 2 * MARGIN) / rows);
  const boxes = new Map<string, Box>();
  const put = (id: string, label: string, column: number, line: number, aside = 0) =>
    boxes.set(id, {
      id,
      label,
      x: MARGIN + (column + aside) * pitch,
      y: HEADER + MARGIN + line * row + (row - BOX_HEIGHT) / 2,
      width: pitch * (id.startsWith('L') ? BOX_SHARE : END_SHARE),
      height: BOX_HEIGHT,
    });
  put('embed', 'embed', 0, (rows - 1) / 2);
  for (const [layer, heads] of data.heads.entries()) {
    for (let head = 0; head < heads; head++) put(`L${layer}.H${head}`, `H${head}`, layer + 1, head);
    put(`L${layer}.mlp`, 'mlp', layer + 1, rows - 1, ASIDE);
  }
  put('logits', 'logits', columns - 1, (rows - 1) / 2);
  return {
    boxes,
    curves: curvesOf(data, boxes),
    columns: data.heads.map((_, layer) => ({ name: `L${layer}`, x: MARGIN + (layer + 1) * pitch })),
    width: Math.ceil(2 * MARGIN + columns * pitch),
    height: Math.ceil(HEADER + 2 * MARGIN + rows * row),
  };
}

const PORTS: Readonly<Record<string, number>> = { q: 0.2, k: 0.5, v: 0.8 };

function curvesOf(data: CircuitData, boxes: ReadonlyMap<string, Box>): Curve[] {
  return data.edges.toReversed().flatMap((edge) => {
    const [from, to] = [boxes.get(edge.source), boxes.get(edge.reader)];
    if (!from || !to) return [];
    return [
      {
        edge,
        x0: from.x + from.width,
        y0: from.y + from.height / 2,
        x1: to.x,
        y1: to.y + to.height * (PORTS[sideOf(edge.target)] ?? 0.5),
      },
    ];
  });
}

/** The two points that bend a curve: level at both ends, and the more bent the longer it is. */
export function bends({ x0, x1 }: Curve): readonly [number, number] {
  const reach = Math.max(12, Math.abs(x1 - x0) / 2);
  return [x0 + reach, x1 - reach];
}

/** A point of a curve, from 0 to 1 along it. */
export function pointOf(curve: Curve, at: number): { x: number; y: number } {
  const [c0, c1] = bends(curve);
  const rest = 1 - at;
  const [a, b, c, d] = [rest ** 3, 3 * rest ** 2 * at, 3 * rest * at ** 2, at ** 3];
  return {
    x: a * curve.x0 + b * c0 + c * c1 + d * curve.x1,
    y: (a + b) * curve.y0 + (c + d) * curve.y1,
  };
}

function within({ least, most }: { least: number; most: number }, value: number): number {
  return Math.max(least, Math.min(most, value));
}
