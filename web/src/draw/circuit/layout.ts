/**
 * Where the nodes of a circuit stand. By position: see `layoutTokens`. Else layers from left to right, heads one below the other, the
 * feed-forward of a layer below and to the right of them. Places depend on the model alone, so that
 * nothing moves where edges come and go. Pure numbers, px.
 */
import { isLabelled, sideOf, type CircuitData } from './data';
import { byToken } from './layoutTokens';
import {
  BOX_HEIGHT,
  HEADER,
  labelsOf,
  MARGIN,
  PORTS,
  type Box,
  type Curve,
  type Layout,
} from './shapes';

const ROW = { least: 24, most: 72 };
const LABELLED = { least: 36, most: 72 };
const COLUMN = { least: 46, most: 120 };
/** Of a column: how wide a box is, and how far the feed-forward stands to the right. */
const BOX_SHARE = 0.46;
const END_SHARE = 0.8;
const ASIDE = 0.34;

/** In a box of this size; what has no room there is larger. */
export function layOut(data: CircuitData, room: { width: number; height: number }): Layout {
  return data.tokens === null ? byLayer(data, room) : byToken(data, data.tokens, room);
}

function byLayer(data: CircuitData, room: { width: number; height: number }): Layout {
  const rows = Math.max(1, ...data.heads) + 1;
  const columns = data.heads.length + 2;
  const pitch = within(COLUMN, (room.width - 2 * MARGIN) / columns);
  const row = within(isLabelled(data) ? LABELLED : ROW, (room.height - HEADER - 2 * MARGIN) / rows);
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
    labels: labelsOf(data, boxes),
    within: [],
    rows: [],
    columns: data.heads.map((_, layer) => ({ name: `L${layer}`, x: MARGIN + (layer + 1) * pitch })),
    width: Math.ceil(2 * MARGIN + columns * pitch),
    height: Math.ceil(HEADER + 2 * MARGIN + rows * row),
  };
}

function curvesOf(data: CircuitData, boxes: ReadonlyMap<string, Box>): Curve[] {
  return data.edges.toReversed().flatMap((edge) => {
    const [from, to] = [boxes.get(edge.source), boxes.get(edge.reader)];
    if (!from || !to) return [];
    const [x0, x1] = [from.x + from.width, to.x];
    const y0 = from.y + from.height / 2;
    const y1 = to.y + to.height * (PORTS[sideOf(edge.target)] ?? 0.5);
    // Level at both ends, and the more bent the longer it is.
    const reach = Math.max(12, Math.abs(x1 - x0) / 2);
    return [{ edge, x0, y0, bx0: x0 + reach, by0: y0, bx1: x1 - reach, by1: y1, x1, y1 }];
  });
}

function within({ least, most }: { least: number; most: number }, value: number): number {
  return Math.max(least, Math.min(most, value));
}
