/**
 * The curves between the columns. They are drawn once into a bitmap, all of it where it is not too high,
 * else somewhat more than the window; scrolling moves the bitmap, a zoom stretches it until it rests.
 */
import { make } from '../dom';
import type { Edges } from './data';
import { middle, trace, type Geometry } from './geometry';
import type { Pattern } from './pattern';
import { opacity, thickness } from './scale';
import type { Inks } from './style';

/** More than so many are a grey area: the strongest are drawn, and how many there are is said. */
export const MOST_CURVES = 5000;
/** Curves into one key that stay as dark as they are. */
const CROWD = 16;
/** Device px: of the whole bitmap, and of its height. */
const MOST_PIXELS = 6e6;
const TALLEST = 16_000;
/** Windows above and below, where not all of it is kept. */
const MARGIN = 0.75;
/** How far it may be stretched, and pressed, while a zoom lasts. */
const STRETCH = { most: 2.5, least: 1 / 8 };

interface Held {
  pattern: Pattern;
  inks: Inks;
  rowHeight: number;
  offset: number;
  width: number;
  ratio: number;
  /** Tokens, from the first row; may reach beyond the ends. */
  from: number;
  to: number;
}

export interface CurvesView {
  pattern: Pattern;
  geometry: Geometry;
  inks: Inks;
  /** First and last px of the window, from the first token. */
  top: number;
  bottom: number;
  ratio: number;
  /** The bitmap of a moment ago will do. */
  moving: boolean;
}

export class Curves {
  /** Edges of the pattern that are drawn, and how many begin or end where the bitmap shows. */
  shown: { chosen: readonly number[]; all: number } = { chosen: [], all: 0 };
  private readonly bitmap = make('canvas');
  private held: Held | null = null;

  /** Draws the window at y = 0. */
  draw(context: CanvasRenderingContext2D, view: CurvesView): void {
    if (!this.serves(view)) this.redraw(view);
    const { held } = this;
    if (!held) return;
    const { rowHeight, curves } = view.geometry;
    const top = held.from * rowHeight - view.top;
    const height = (held.to - held.from) * rowHeight;
    context.drawImage(this.bitmap, curves.from, top, curves.to - curves.from, height);
  }

  private serves({ pattern, geometry, inks, top, bottom, ratio, moving }: CurvesView): boolean {
    const { held } = this;
    if (!held || held.pattern !== pattern || held.inks !== inks || held.ratio !== ratio)
      return false;
    const { rowHeight, rows, curves, offset } = geometry;
    if (held.offset !== offset) return false;
    const stretched = rowHeight / held.rowHeight;
    const width = curves.to - curves.from;
    if (!moving && (stretched !== 1 || width !== held.width)) return false;
    if (stretched > STRETCH.most || stretched < STRETCH.least) return false;
    return (
      held.from <= Math.max(0, top / rowHeight) && held.to >= Math.min(rows, bottom / rowHeight)
    );
  }

  private redraw(view: CurvesView): void {
    const { pattern, geometry, inks, ratio } = view;
    const { rowHeight, offset, curves } = geometry;
    const width = curves.to - curves.from;
    const { from, to } = reach(view, width);
    const { bitmap } = this;
    bitmap.width = Math.max(1, Math.round(width * ratio));
    bitmap.height = Math.max(1, Math.round((to - from) * rowHeight * ratio));
    const context = bitmap.getContext('2d');
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, -from * rowHeight * ratio);
    const seen = edgesBetween(pattern, geometry, from * rowHeight, to * rowHeight);
    strokeSinks(context, view);
    strokeEdges(context, pattern.edges, seen.chosen.toReversed(), view, { lit: false });
    this.shown = seen;
    this.held = { pattern, inks, rowHeight, offset, width, ratio, from, to };
  }
}

/** Rows of tokens that the bitmap is to hold. */
function reach({ pattern, geometry, top, bottom, ratio }: CurvesView, width: number) {
  const { rowHeight, rows } = geometry;
  const height = rows * rowHeight * ratio;
  // Of too many, those of the window are chosen: the strongest of all may be elsewhere.
  const few = pattern.edges.values.length <= MOST_CURVES;
  if (few && height <= TALLEST && height * width * ratio <= MOST_PIXELS)
    return { from: 0, to: rows };
  const more = (bottom - top) * MARGIN;
  return {
    from: Math.max(0, Math.floor((top - more) / rowHeight)),
    to: Math.min(rows, Math.ceil((bottom + more) / rowHeight)),
  };
}

/** The strongest of the edges that begin or end there. */
export function edgesBetween(
  { queries, edges }: Pattern,
  geometry: Geometry,
  top: number,
  bottom: number,
): { chosen: number[]; all: number } {
  const chosen: number[] = [];
  let all = 0;
  for (let at = 0; at < edges.values.length; at++) {
    const start = middle(geometry, queries[edges.rows[at] ?? 0] ?? 0);
    const end = middle(geometry, edges.keys[at] ?? 0);
    if ((start < top || start > bottom) && (end < top || end > bottom)) continue;
    all++;
    if (chosen.length < MOST_CURVES) chosen.push(at);
  }
  return { chosen, all };
}

/** `lit`: in the colour of what is chosen; y counts from the first token, x from the curves' left end. */
export function strokeEdges(
  context: CanvasRenderingContext2D,
  edges: Edges,
  chosen: readonly number[],
  { pattern, geometry, inks }: Pick<CurvesView, 'pattern' | 'geometry' | 'inks'>,
  { lit }: { lit: boolean },
): void {
  const { queries } = pattern;
  const span = { from: 0, to: geometry.curves.to - geometry.curves.from };
  for (const at of chosen) {
    const value = edges.values[at] ?? 0;
    context.globalAlpha = lit
      ? Math.max(0.35, opacity(value, pattern.most))
      : opacity(value, pattern.most) * crowding(edges, at);
    context.lineWidth = thickness(value, pattern.most, geometry.rowHeight);
    context.strokeStyle = inkOf(value, pattern, inks, lit);
    context.beginPath();
    trace(
      context,
      span,
      middle(geometry, queries[edges.rows[at] ?? 0] ?? 0),
      middle(geometry, edges.keys[at] ?? 0),
    );
    context.stroke();
  }
  context.globalAlpha = 1;
}

export function inkOf(value: number, { signed, mode }: Pattern, inks: Inks, lit: boolean): string {
  if (signed) return value < 0 ? inks.negative : inks.positive;
  if (lit) return inks.accent;
  return mode === 'edited' ? inks.edited : inks.baseline;
}

/** What goes to no token; `only` of one row. */
export function strokeSinks(
  context: CanvasRenderingContext2D,
  { pattern, geometry, inks }: Pick<CurvesView, 'pattern' | 'geometry' | 'inks'>,
  only: number | null = null,
): void {
  const { sink, queries } = pattern;
  if (!sink) return;
  const span = { from: 0, to: geometry.curves.to - geometry.curves.from };
  context.strokeStyle = inks.sink;
  for (const [row, value] of sink.entries()) {
    if (value === 0 || (only !== null && row !== only)) continue;
    context.globalAlpha = opacity(value, pattern.most);
    context.lineWidth = thickness(value, pattern.most, geometry.rowHeight);
    context.beginPath();
    trace(context, span, middle(geometry, queries[row] ?? 0), middle(geometry, -1));
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Many curves into one key are each fainter, so that they do not cover all others. */
export function crowding(edges: Edges, at: number): number {
  const beside = edgesAt(edges, 'key', edges.keys[at] ?? 0).length;
  return Math.max(0.12, Math.min(1, Math.sqrt(CROWD / beside)));
}

const touching = new WeakMap<Edges, Map<string, number[]>>();

/** The edges of one query (by row) or one key, strongest first. */
export function edgesAt(edges: Edges, side: 'query' | 'key', at: number): readonly number[] {
  let known = touching.get(edges);
  if (!known) {
    known = new Map();
    for (let edge = 0; edge < edges.values.length; edge++)
      for (const key of [`query ${edges.rows[edge]}`, `key ${edges.keys[edge]}`]) {
        const list = known.get(key);
        if (list) list.push(edge);
        else known.set(key, [edge]);
      }
    touching.set(edges, known);
  }
  return known.get(`${side} ${at}`) ?? [];
}
