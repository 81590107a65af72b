/** What lies under a point of a drawn attribution graph, and where keys lead from a node. */
import { distanceTo } from '../along';
import { radiusAt, toScreen, type Camera, type Point } from './camera';
import { edgesAt, type GraphData } from './data';
import { bends, isWide, type Curve, type Layout, type Place } from './layout';

/** px around what is drawn. */
const SLACK = { node: 3, edge: 5 };
const STEPS = 16;
/** Above as many, edges are met by the pointer only at the node that is chosen. */
const FEW = 400;

export interface Drawn {
  data: GraphData;
  layout: Layout;
  camera: Camera;
  chosen: string | null;
}

/** A node, else the nearest edge; null: neither. */
export function hitAt(drawn: Drawn, at: Point): string | null {
  return nodeAt(drawn, at) ?? edgeAt(drawn, at);
}

function nodeAt({ layout, camera }: Drawn, at: Point): string | null {
  let [nearest, best]: [string | null, number] = [null, Infinity];
  for (const place of layout.places.values()) {
    const { x, y } = toScreen(camera, place);
    const half = halfOf(camera, place);
    const [dx, dy] = [Math.abs(at.x - x), Math.abs(at.y - y)];
    if (dx > half.width + SLACK.node || dy > half.height + SLACK.node) continue;
    const off = Math.hypot(dx, dy);
    if (off < best) [nearest, best] = [place.node.id, off];
  }
  return nearest;
}

/** Half of what a node takes, px of the window. */
export function halfOf(camera: Camera, place: Place): { width: number; height: number } {
  const height = radiusAt(camera, place);
  return { width: isWide(place.node) ? place.room * camera.zoom : height, height };
}

function edgeAt({ data, layout, camera, chosen }: Drawn, at: Point): string | null {
  let [nearest, best]: [string | null, number] = [null, SLACK.edge];
  for (const curve of layout.curves.toReversed()) {
    if (chosen === null ? data.edges.length > FEW : !touches(curve, chosen)) continue;
    const off = distance(onScreen(camera, curve), at);
    if (off < best) [nearest, best] = [curve.edge.id, off];
  }
  return nearest;
}

/** An edge by itself, or any edge of a node. */
export function touches({ edge }: Curve, id: string): boolean {
  return edge.id === id || edge.source === id || edge.target === id;
}

export function onScreen(camera: Camera, curve: Curve): Curve {
  const [from, to] = [
    toScreen(camera, { x: curve.x0, y: curve.y0 }),
    toScreen(camera, { x: curve.x1, y: curve.y1 }),
  ];
  return { edge: curve.edge, x0: from.x, y0: from.y, x1: to.x, y1: to.y };
}

/** A point of a curve, from 0 to 1 along it. */
export function pointOf(curve: Curve, at: number): Point {
  const [c0, c1] = bends(curve);
  const rest = 1 - at;
  const [a, b, c, d] = [rest ** 3, 3 * rest ** 2 * at, 3 * rest * at ** 2, at ** 3];
  return {
    x: (a + b) * curve.x0 + (c + d) * curve.x1,
    y: a * curve.y0 + b * c0 + c * c1 + d * curve.y1,
  };
}

function distance(curve: Curve, at: Point): number {
  const beyond = (value: number, one: number, two: number) =>
    value < Math.min(one, two) - SLACK.edge || value > Math.max(one, two) + SLACK.edge;
  if (beyond(at.x, curve.x0, curve.x1) || beyond(at.y, curve.y0, curve.y1)) return Infinity;
  return distanceTo((share) => pointOf(curve, share), at, STEPS);
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** Where an arrow key leads from a node: along its largest edge, or to the next node of the layer. */
export function neighbour(
  { data, layout }: Pick<Drawn, 'data' | 'layout'>,
  id: string | null,
  direction: Direction,
): string | null {
  const here = id === null ? undefined : layout.places.get(id);
  if (!here) return first(data);
  if (direction === 'up' || direction === 'down') {
    const onwards = (direction === 'up') !== layout.flipped;
    const edge = edgesAt(data, here.node.id, onwards ? 'from' : 'into')[0];
    return edge ? (onwards ? edge.target : edge.source) : null;
  }
  const sign = direction === 'right' ? 1 : -1;
  const beside = [...layout.places.values()].filter(
    (place) => place.node.layer === here.node.layer && sign * order(place, here) > 0,
  );
  return beside.toSorted((one, two) => sign * order(one, two))[0]?.node.id ?? null;
}

/** Along a layer: by position, then as lines are read. */
function order(one: Place, two: Place): number {
  return one.node.position - two.node.position || one.y - two.y || one.x - two.x;
}

/** Where the keyboard starts: at the likeliest that is explained. */
function first(data: GraphData): string | null {
  const ends = data.nodes.filter(({ kind }) => kind === 'logit');
  const likeliest = ends.toSorted((a, b) => (b.probability ?? 0) - (a.probability ?? 0))[0];
  return (likeliest ?? data.nodes[0])?.id ?? null;
}

/** The edges of a node one after the other, and of an edge the next at the same node. */
export function nextEdge(data: GraphData, id: string): string | null {
  const own = data.edgeOf.get(id);
  const node = own ? own.target : id;
  const into = edgesAt(data, node, 'into');
  const all = into.length > 0 ? into : edgesAt(data, node, 'from');
  const at = own ? all.findIndex((edge) => edge.id === own.id) : -1;
  return all[(at + 1) % Math.max(1, all.length)]?.id ?? null;
}
