/** What a circuit is drawn of, wherever it stands: boxes, and curves between them. Pure numbers, px. */
import { shorten } from '../tokens';
import { labelOf, type CircuitData, type Edge } from './data';

export interface Box {
  id: string;
  label: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A curve from (x0, y0) to (x1, y1), bent by two points. */
export interface Bent {
  x0: number;
  y0: number;
  bx0: number;
  by0: number;
  bx1: number;
  by1: number;
  x1: number;
  y1: number;
}

/** From what writes to what reads. */
export interface Curve extends Bent {
  edge: Edge;
}

export interface Layout {
  boxes: ReadonlyMap<string, Box>;
  /** The smallest effect first: large ones lie on top. */
  curves: readonly Curve[];
  /** What is said of nodes, below their boxes: as much as has room. */
  labels: ReadonlyArray<{ text: string; x: number; y: number }>;
  /** Within heads: from where they read to where they write. */
  within: readonly Bent[];
  columns: ReadonlyArray<{ name: string; x: number }>;
  /** Of layers, where they lie one above the other. */
  rows: ReadonlyArray<{ name: string; y: number }>;
  width: number;
  height: number;
}

export const MARGIN = 14;
export const HEADER = 24;
export const BOX_HEIGHT = 18;

/** Below a box that says what its node does. */
export const LABEL = { size: 9, letter: 4.9, below: 9, most: 132 };

/** Of the nodes in the circuit, up to the next label to the right. */
export function labelsOf(data: CircuitData, boxes: ReadonlyMap<string, Box>): Layout['labels'] {
  const labelled = [...boxes.values()].filter(
    ({ id }) => data.nodes.has(id) && labelOf(data, id) !== '',
  );
  return labelled.map((box) => {
    const { x, y, height } = box;
    const rights = labelled.flatMap((one) =>
      one.x > x && Math.abs(one.y - y) < height ? [one.x - x] : [],
    );
    const room = Math.min(LABEL.most, ...rights);
    const text = shorten(labelOf(data, box.id), Math.floor((room - 4) / LABEL.letter));
    return { text, x, y: y + height + LABEL.below };
  });
}

/** Along a box: where the edges to a head's query, key and value end. */
export const PORTS: Readonly<Record<string, number>> = { q: 0.2, k: 0.5, v: 0.8 };

/** A point of a curve, from 0 to 1 along it. */
export function pointOf(curve: Bent, at: number): { x: number; y: number } {
  const rest = 1 - at;
  const [a, b, c, d] = [rest ** 3, 3 * rest ** 2 * at, 3 * rest * at ** 2, at ** 3];
  return {
    x: a * curve.x0 + b * curve.bx0 + c * curve.bx1 + d * curve.x1,
    y: a * curve.y0 + b * curve.by0 + c * curve.by1 + d * curve.y1,
  };
}
