/** An attribution graph on a canvas: what stays, and on another one what follows the pointer. */
import { radiusAt, toScreen, type Camera } from './camera';
import type { GraphData, Node } from './data';
import { halfOf, onScreen, touches } from './hit';
import {
  bends,
  GUTTER,
  isWide,
  type Curve,
  type Layout,
  type Place,
  type Size,
  type Span,
} from './layout';
import {
  alphaOf,
  colourOf,
  isHollow,
  shapeOf,
  SIZES,
  sizeOf,
  widthOf,
  type GraphStyle,
} from './style';
import { shortName } from './text';

type Context = CanvasRenderingContext2D;

export interface Shown {
  data: GraphData;
  layout: Layout;
  chosen: string | null;
  /** Picked for a group. */
  marked: ReadonlySet<string>;
}

/** All nodes and edges; `size` is that of the canvas. */
export function paintGraph(
  context: Context,
  { data, layout }: Shown,
  camera: Camera,
  size: Size,
  style: GraphStyle,
): void {
  paintRows(context, layout, camera, size, style);
  for (const lot of lotsOf(data, layout.curves))
    strokeLot(context, lot, data.edges.length, camera, size, style);
  context.globalAlpha = 1;
  for (const place of layout.places.values())
    if (isInside(camera, place, size)) paintNode(context, place, camera, style);
}

/** Over it: the chosen node with its edges, what is pointed at, what is picked. */
export function paintPointed(
  context: Context,
  shown: Shown,
  hover: string | null,
  camera: Camera,
  size: Size,
  style: GraphStyle,
): void {
  const { data, layout, chosen, marked } = shown;
  for (const id of [chosen, hover]) {
    if (id === null) continue;
    const curves = layout.curves.filter((curve) => touches(curve, id));
    for (const curve of curves) strokeOne(context, data, onScreen(camera, curve), style);
    const ends = new Set(curves.flatMap(({ edge }) => [edge.source, edge.target]));
    context.globalAlpha = 1;
    for (const end of [...ends, id]) {
      const place = layout.places.get(end);
      if (place) paintNode(context, place, camera, style);
    }
    outlineEnds(context, shown, id, id === chosen ? style.accent : style.text, camera);
  }
  for (const id of marked) {
    const place = layout.places.get(id);
    if (place) ring(context, place, camera, style.accent, 1.5, [3, 2]);
  }
  paintAxes(context, layout, camera, size, style);
}

function outlineEnds(
  context: Context,
  { data, layout }: Shown,
  id: string,
  colour: string,
  camera: Camera,
): void {
  const edge = data.edgeOf.get(id);
  for (const end of edge ? [edge.source, edge.target] : [id]) {
    const place = layout.places.get(end);
    if (place) ring(context, place, camera, colour, 2, []);
  }
}

// ------------------------------------------------------------------ edges

interface Lot {
  curves: Curve[];
  size: number;
}

/** Edges of one sign and about one size: thousands are drawn in a few strokes, weak ones first. */
function lotsOf(data: GraphData, curves: readonly Curve[]): Lot[] {
  const lots = Array.from({ length: 2 * SIZES }, (_, at): Lot => ({
    curves: [],
    size: (Math.floor(at / 2) + 0.5) / SIZES,
  }));
  for (const curve of curves) {
    const size = Math.min(SIZES - 1, Math.floor(sizeOf(data, curve.edge) * SIZES));
    lots[2 * size + Number(curve.edge.weight < 0)]?.curves.push(curve);
  }
  return lots.filter((lot) => lot.curves.length > 0);
}

function strokeLot(
  context: Context,
  lot: Lot,
  edges: number,
  camera: Camera,
  size: Size,
  style: GraphStyle,
): void {
  const [first] = lot.curves;
  if (!first) return;
  context.strokeStyle = colourOf(first.edge, style);
  context.globalAlpha = alphaOf(lot.size, edges);
  context.lineWidth = widthOf(lot.size);
  context.beginPath();
  for (const curve of lot.curves) {
    const seen = onScreen(camera, curve);
    if (isBeside(seen, size)) continue;
    trace(context, seen);
  }
  context.stroke();
}

function isBeside({ x0, x1, y0, y1 }: Curve, { width, height }: Size): boolean {
  return (
    Math.max(x0, x1) < 0 ||
    Math.min(x0, x1) > width ||
    Math.max(y0, y1) < 0 ||
    Math.min(y0, y1) > height
  );
}

function trace(context: Context, curve: Curve): void {
  const [c0, c1] = bends(curve);
  context.moveTo(curve.x0, curve.y0);
  context.bezierCurveTo(curve.x0, c0, curve.x1, c1, curve.x1, curve.y1);
}

function strokeOne(context: Context, data: GraphData, curve: Curve, style: GraphStyle): void {
  const size = sizeOf(data, curve.edge);
  context.globalAlpha = Math.max(0.5, alphaOf(size, 1));
  context.strokeStyle = colourOf(curve.edge, style);
  context.lineWidth = Math.max(1, widthOf(size));
  context.beginPath();
  trace(context, curve);
  context.stroke();
}

// ------------------------------------------------------------------ nodes

/** Text of a node beside it needs so many px. */
const LEAST_TEXT = 26;
/** And a box with its probability. */
const LEAST_BOX = 60;

function paintNode(context: Context, place: Place, camera: Camera, style: GraphStyle): void {
  const { node } = place;
  const { x, y } = toScreen(camera, place);
  const half = halfOf(camera, place);
  context.beginPath();
  outline(context, node, x, y, half);
  context.fillStyle = fillOf(node, style);
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = isHollow(node) ? style.text2 : style.lineStrong;
  context.stroke();
  context.font = `10px ${style.mono}`;
  context.textBaseline = 'middle';
  if (isWide(node)) return inBox(context, node, x, y, half, style);
  const room = place.room * camera.zoom - half.width - 6;
  if (node.kind !== 'latent' || room < LEAST_TEXT) return;
  const text = fitting(context, shortName(node), room);
  context.textAlign = 'left';
  context.lineWidth = 3;
  context.strokeStyle = style.ground;
  context.strokeText(text, x + half.width + 3, y + 0.5);
  context.fillStyle = style.text;
  context.fillText(text, x + half.width + 3, y + 0.5);
}

function inBox(
  context: Context,
  node: Node,
  x: number,
  y: number,
  half: { width: number; height: number },
  style: GraphStyle,
): void {
  if (half.width < 10) return;
  const room = 2 * half.width - 6;
  const wide = room > LEAST_BOX && node.probability !== null;
  const share = wide ? ` ${percentOf(node.probability ?? 0)}` : '';
  context.fillStyle = style.text;
  context.textAlign = 'center';
  const name = fitting(context, node.label, room - context.measureText(share).width);
  context.fillText(`${name}${share}`, x, y + 0.5);
}

/** "53 %": of what is explained. */
export function percentOf(probability: number): string {
  return `${Math.round(100 * probability)} %`;
}

export function fillOf(node: Node, style: GraphStyle): string {
  if (isHollow(node)) return style.ground;
  return isWide(node) ? style.raised : style.influence(node.share);
}

/** Cut to what has room, with an ellipsis. */
function fitting(context: Context, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  const each = Math.max(1, context.measureText('0').width);
  const letters = Math.max(0, Math.floor(room / each) - 1);
  return letters === 0 ? '' : `${[...text].slice(0, letters).join('')}…`;
}

function outline(
  context: Context,
  node: Node,
  x: number,
  y: number,
  { width, height }: { width: number; height: number },
): void {
  switch (shapeOf(node)) {
    case 'circle':
      return context.arc(x, y, height, 0, 2 * Math.PI);
    case 'diamond':
      context.moveTo(x, y - height);
      context.lineTo(x + height, y);
      context.lineTo(x, y + height);
      context.lineTo(x - height, y);
      return context.closePath();
    case 'square':
    case 'box':
      return context.rect(x - width, y - height, 2 * width, 2 * height);
  }
}

function ring(
  context: Context,
  place: Place,
  camera: Camera,
  colour: string,
  width: number,
  dash: number[],
): void {
  const { x, y } = toScreen(camera, place);
  const half = halfOf(camera, place);
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  outline(context, place.node, x, y, { width: half.width + 2.5, height: half.height + 2.5 });
  context.stroke();
  context.setLineDash([]);
}

function isInside(camera: Camera, place: Place, { width, height }: Size): boolean {
  const { x, y } = toScreen(camera, place);
  const reach = Math.max(radiusAt(camera, place), place.room * camera.zoom);
  return x > -reach && x < width + reach && y > -reach && y < height + reach;
}

// ------------------------------------------------------------------ axes

function paintRows(
  context: Context,
  { rows, columns }: Layout,
  camera: Camera,
  { width, height }: Size,
  style: GraphStyle,
): void {
  context.fillStyle = style.line;
  for (const { start } of columns)
    context.fillRect(Math.round(start * camera.zoom + camera.x), 0, 1, height);
  for (const { start } of rows)
    context.fillRect(0, Math.round(start * camera.zoom + camera.y), width, 1);
}

/** Names of layers and tokens stay in sight. */
function paintAxes(
  context: Context,
  layout: Layout,
  camera: Camera,
  size: Size,
  style: GraphStyle,
): void {
  const top = layout.flipped ? 0 : size.height - GUTTER.tokens;
  context.fillStyle = style.ground;
  context.fillRect(0, 0, GUTTER.left, size.height);
  context.fillRect(0, top, size.width, GUTTER.tokens);
  context.fillStyle = style.lineStrong;
  context.fillRect(GUTTER.left, 0, 1, size.height);
  context.fillRect(GUTTER.left, layout.flipped ? GUTTER.tokens : top, size.width, 1);
  context.textBaseline = 'middle';
  context.fillStyle = style.text2;
  context.font = `10px ${style.mono}`;
  context.textAlign = 'right';
  for (const { name, y } of named(layout.rows, camera.zoom, camera.y, size))
    context.fillText(name, GUTTER.left - 5, y);
  context.textAlign = 'center';
  context.fillStyle = style.text;
  context.font = `11px ${style.mono}`;
  for (const span of layout.columns) paintToken(context, span, camera, top, size);
}

/** As many names as have room, each in the middle of its row. */
function named(rows: readonly Span[], zoom: number, shift: number, size: Size) {
  let last = -Infinity;
  return rows.flatMap(({ name, start, end }) => {
    const y = ((start + end) / 2) * zoom + shift;
    const taken = Math.abs(y - last) < 11;
    if (taken || y < 6 || y > size.height - 6) return [];
    last = y;
    return [{ name, y }];
  });
}

function paintToken(
  context: Context,
  { name, start, end }: Span,
  camera: Camera,
  top: number,
  size: Size,
): void {
  const left = Math.max(GUTTER.left, start * camera.zoom + camera.x);
  const right = Math.min(size.width, end * camera.zoom + camera.x);
  if (right - left < 6) return;
  const text = fitting(context, name, right - left - 4);
  context.fillText(text, (left + right) / 2, top + GUTTER.tokens / 2 + 0.5);
  context.fillRect(Math.round(left), top + 6, 1, GUTTER.tokens - 12);
}
