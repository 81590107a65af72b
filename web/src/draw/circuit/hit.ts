/** What lies under a point of a drawn circuit, and what lies beside a node of it. */
import { distanceTo } from '../along';
import type { Point } from '../press';
import { edgesAt, withoutPosition, type CircuitData } from './data';
import { pointOf, type Box, type Curve, type Layout } from './shapes';

/** px around a curve. */
const SLACK = 5;
const STEPS = 24;

/** A node of the circuit, else the nearest edge; null: neither. */
export function hitAt(data: CircuitData, layout: Layout, at: Point): string | null {
  for (const box of layout.boxes.values())
    if (
      data.nodes.has(box.id) &&
      at.x >= box.x &&
      at.x <= box.x + box.width &&
      at.y >= box.y &&
      at.y <= box.y + box.height
    )
      return box.id;
  let [nearest, best]: [string | null, number] = [null, SLACK];
  for (const curve of layout.curves.toReversed()) {
    const off = distance(curve, at);
    if (off < best) [nearest, best] = [curve.edge.id, off];
  }
  return nearest;
}

function distance(curve: Curve, at: Point): number {
  const [top, bottom] = [Math.min(curve.y0, curve.y1), Math.max(curve.y0, curve.y1)];
  if (at.y < top - SLACK || at.y > bottom + SLACK) return Infinity;
  return distanceTo((share) => pointOf(curve, share), at, STEPS);
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** Where an arrow key leads from a node: along its largest edge, or to the next node of the layer. */
export function neighbour(
  data: CircuitData,
  layout: Layout,
  id: string | null,
  direction: Direction,
): string | null {
  const here = id === null ? undefined : layout.boxes.get(id);
  if (!here || !data.nodes.has(here.id)) return first(data, layout);
  const [back, on, less, more] = data.tokens === null ? ACROSS : UPWARD;
  if (direction === back) return edgesAt(data, here.id, 'into')[0]?.source ?? null;
  if (direction === on) return edgesAt(data, here.id, 'from')[0]?.reader ?? null;
  const sign = direction === more ? 1 : -1;
  const along = ({ x, y }: Box) => sign * (less === 'up' ? y : x);
  const layer = layerOf(here.id);
  const beside = [...layout.boxes.values()].filter(
    (box) => data.nodes.has(box.id) && layerOf(box.id) === layer && along(box) > along(here),
  );
  return beside.toSorted((a, b) => along(a) - along(b))[0]?.id ?? null;
}

/** Arrows against edges, along them, and to nodes of the layer before and after. */
const ACROSS: readonly Direction[] = ['left', 'right', 'up', 'down'];
const UPWARD: readonly Direction[] = ['down', 'up', 'left', 'right'];

function layerOf(id: string): string {
  return withoutPosition(id).split('.')[0] ?? id;
}

/** Where the keyboard starts: at the answer. */
function first(data: CircuitData, layout: Layout): string | null {
  const answer = [...data.nodes].find((id) => withoutPosition(id) === 'logits');
  if (answer !== undefined) return answer;
  return [...layout.boxes.keys()].findLast((id) => data.nodes.has(id)) ?? null;
}

/** The edges of a node one after the other, and of an edge the next at the same node. */
export function nextEdge(data: CircuitData, id: string): string | null {
  const own = data.edgeOf.get(id);
  const node = own ? own.reader : id;
  const list = edgesAt(data, node, 'into');
  const all = list.length > 0 ? list : edgesAt(data, node, 'from');
  const at = own ? all.findIndex((edge) => edge.id === own.id) : -1;
  return all[(at + 1) % Math.max(1, all.length)]?.id ?? null;
}
