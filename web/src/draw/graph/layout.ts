/**
 * Where the nodes of an attribution graph stand: positions from left to right, layers from the tokens
 * below to what is explained above, and in each cell the node with most influence first. Pure numbers, px.
 */
import { sorted, type Edge, type GraphData, type Node } from './data';

export interface Place {
  node: Node;
  /** Its middle. */
  x: number;
  y: number;
  /** Half of its height, and of a circle's width. */
  radius: number;
  /** From its middle to where the next one may begin. */
  room: number;
}

/** From the side of one node that faces the other, to that of the other. */
export interface Curve {
  edge: Edge;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** A column or a row: from where to where. */
export interface Span {
  name: string;
  start: number;
  end: number;
}

export interface Layout {
  places: ReadonlyMap<string, Place>;
  /** The smallest edge first: large ones lie on top. */
  curves: readonly Curve[];
  columns: readonly Span[];
  rows: readonly Span[];
  /** Layer 0 is at the top. */
  flipped: boolean;
  width: number;
  height: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Of the window, for names of layers and for tokens. */
export const GUTTER = { left: 40, tokens: 24 };
const SLOT = 24;
const LINE = 24;
const PAD = 6;
const EMPTY_ROW = 10;
const RADIUS = { least: 3.5, most: 9 };
const WIDE = { least: 92, most: 230, letter: 6.2, pad: 30 };
const PER_LINE = { least: 2, most: 24 };
const STRETCHED = 4;

/** As large as the room where there is enough of it, else as nearly of its shape as can be. */
export function layOut(data: GraphData, room: Size, flipped = false): Layout {
  const cells = cellsOf(data);
  const inner = {
    width: Math.max(1, room.width - GUTTER.left),
    height: Math.max(1, room.height - GUTTER.tokens),
  };
  const { widths, heights, zoom } = shapeOf(data, cells, inner);
  const columns = spansOf(
    widths.map((width, at) => ({ name: data.tokens[at]?.label ?? '', length: width })),
    Math.max(1, inner.width / zoom / sum(widths)),
  );
  const named = heights.map((length, row) => ({ name: nameOf(row, data.layers), length }));
  const along = Math.max(1, Math.min(STRETCHED, inner.height / zoom / sum(heights)));
  const rows = flipped ? spansOf(named, along) : spansOf(named.toReversed(), along).toReversed();
  const places = new Map<string, Place>();
  for (const [key, nodes] of cells) {
    const [row, position] = key.split(':').map(Number) as [number, number];
    const [column, layer] = [columns[position], rows[row]];
    if (!column || !layer) continue;
    for (const place of inCell(nodes, column, layer, columns.at(-1)?.end ?? column.end))
      places.set(place.node.id, place);
  }
  return {
    places,
    curves: curvesOf(data, places),
    columns,
    rows,
    flipped,
    width: columns.at(-1)?.end ?? 0,
    height: Math.max(...rows.map(({ end }) => end)),
  };
}

type Cells = ReadonlyMap<string, readonly Node[]>;

/** By row, 0 of tokens, and position. */
function cellsOf(data: GraphData): Cells {
  const cells = sorted(data.nodes, ({ layer, position }) => `${layer + 1}:${position}`);
  for (const nodes of cells.values()) nodes.sort(byInfluence);
  return cells;
}

function byInfluence(one: Node, two: Node): number {
  return (
    Number(two.kind === 'group') - Number(one.kind === 'group') ||
    (two.probability ?? 0) - (one.probability ?? 0) ||
    two.influence - one.influence
  );
}

function widthOf(node: Node): number {
  if (!isWide(node)) return SLOT;
  return Math.max(WIDE.least, Math.min(WIDE.most, node.label.length * WIDE.letter + WIDE.pad));
}

/** What a cell takes in a line; what is explained stands in a row that has no other cell. */
function widthIn(nodes: readonly Node[]): number {
  if (nodes[0]?.kind === 'logit') return SLOT;
  return sum(nodes.map(widthOf));
}

interface Shape {
  widths: number[];
  heights: number[];
  /** At which all of it fits into the room. */
  zoom: number;
}

/** So many nodes in a line that the graph is largest in its room. */
function shapeOf(data: GraphData, cells: Cells, room: Size): Shape {
  let best: Shape | null = null;
  for (let perLine = PER_LINE.least; perLine <= PER_LINE.most; perLine++) {
    const widths = widthsOf(data, cells, perLine);
    const heights = heightsOf(data, cells, widths, Math.max(room.width, sum(widths)));
    const zoom = Math.min(1, room.width / sum(widths), room.height / sum(heights));
    if (!best || zoom > best.zoom) best = { widths, heights, zoom };
    if (zoom === 1) break;
  }
  return best ?? { widths: [], heights: [], zoom: 1 };
}

/** Of columns. */
function widthsOf(data: GraphData, cells: Cells, perLine: number): number[] {
  const widths = data.tokens.map(() => SLOT + 2 * PAD);
  for (const [key, nodes] of cells) {
    const position = Number(key.split(':')[1]);
    const widest = Math.max(...nodes.map((node) => (node.kind === 'logit' ? SLOT : widthOf(node))));
    const wanted = Math.max(widest, Math.min(perLine * SLOT, widthIn(nodes)));
    widths[position] = Math.max(widths[position] ?? 0, wanted + 2 * PAD);
  }
  return widths;
}

/** Of rows. */
function heightsOf(
  data: GraphData,
  cells: Cells,
  widths: readonly number[],
  whole: number,
): number[] {
  const heights = Array.from({ length: data.layers + 2 }, () => EMPTY_ROW);
  for (const [key, nodes] of cells) {
    const [row, position] = key.split(':').map(Number) as [number, number];
    const width = nodes[0]?.kind === 'logit' ? whole : (widths[position] ?? 0);
    const height = linesOf(nodes, width).length * LINE + 2 * PAD;
    heights[row] = Math.max(heights[row] ?? 0, height);
  }
  return heights;
}

function spansOf(parts: ReadonlyArray<{ name: string; length: number }>, stretch: number): Span[] {
  let start = 0;
  return parts.map(({ name, length }) => {
    const span = { name, start, end: start + length * stretch };
    start = span.end;
    return span;
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

function nameOf(row: number, layers: number): string {
  if (row === 0) return 'token';
  return row > layers ? 'logits' : `L${row - 1}`;
}

/** As many in a line as have room. */
function linesOf(nodes: readonly Node[], width: number): Node[][] {
  const lines: Node[][] = [];
  let left = 0;
  for (const node of nodes) {
    const line = lines.at(-1);
    if (line && left >= widthOf(node)) line.push(node);
    else {
      lines.push([node]);
      left = width - 2 * PAD;
    }
    left -= widthOf(node);
  }
  return lines;
}

/** Lines around the middle of a cell; what is explained may reach over other columns. */
function inCell(nodes: readonly Node[], column: Span, row: Span, whole: number): Place[] {
  const logits = nodes[0]?.kind === 'logit';
  const width = logits ? whole : column.end - column.start;
  const lines = linesOf(nodes, width);
  const middle = (column.start + column.end) / 2;
  const pitch = (row.end - row.start) / lines.length;
  return lines.flatMap((line, number) => {
    const natural = sum(line.map(widthOf));
    // What has no neighbour over its column spreads there, so that labels have room.
    const stretch = logits ? 1 : Math.max(1, Math.min(STRETCHED * 2, (width - 2 * PAD) / natural));
    const taken = natural * stretch;
    let x = Math.max(PAD, Math.min(whole - PAD - taken, middle - taken / 2));
    return line.map((node) => {
      const own = widthOf(node) * stretch;
      const place: Place = {
        node,
        x: x + (isWide(node) ? own / 2 : Math.min(own / 2, SLOT / 2)),
        y: row.start + (number + 0.5) * pitch,
        radius: radiusOf(node),
        room: isWide(node) ? widthOf(node) / 2 - 3 : own - Math.min(own / 2, SLOT / 2),
      };
      x += own;
      return place;
    });
  });
}

/** A box with words in it. */
export function isWide({ kind }: Node): boolean {
  return kind === 'logit' || kind === 'group';
}

function radiusOf(node: Node): number {
  if (isWide(node)) return 9;
  return node.kind === 'embed' ? 6 : RADIUS.least + (RADIUS.most - RADIUS.least) * node.share;
}

function curvesOf(data: GraphData, places: ReadonlyMap<string, Place>): Curve[] {
  return data.edges.toReversed().flatMap((edge) => {
    const [from, to] = [places.get(edge.source), places.get(edge.target)];
    if (!from || !to) return [];
    const up = Math.sign(to.y - from.y);
    return [
      { edge, x0: from.x, y0: from.y + up * from.radius, x1: to.x, y1: to.y - up * to.radius },
    ];
  });
}

/** The heights that bend a curve: upright at both ends. */
export function bends({ y0, y1 }: Pick<Curve, 'y0' | 'y1'>): readonly [number, number] {
  const reach = (y1 - y0) / 2;
  return [y0 + reach, y1 - reach];
}
