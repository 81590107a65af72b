/** Where things are in the picture of two columns. Pure numbers, px; y counts from the first token. */
import type { Pattern } from './pattern';

/** Above the tokens, always in sight: the names of heads and of the columns. */
export const HEADER = 52;
export const LABEL_FROM_HEIGHT = 10;
const TALLEST = 48;
const LOWEST = 1;
const COMFORTABLE = 20;
const INDEX = 30;
const PADDING = 6;
const MAP_CELL = 14;
const MAP_SHARE = 0.16;
const GAP = 8;
const LEAST_CURVES = 60;
const LABELS = { least: 44, most: 132 };

/** Left to right: head map, queries, curves, keys, head map. */
export interface Geometry {
  /** Of the panel. */
  width: number;
  /** A token. */
  rowHeight: number;
  /** Of the columns; a model with a sink has a row for it above the first token. */
  rows: number;
  offset: 0 | 1;
  map: number;
  label: number;
  left: Span;
  queries: Span;
  curves: Span;
  keys: Span;
  right: Span;
}

export interface Span {
  from: number;
  to: number;
}

export function geometryOf(
  pattern: Pattern,
  width: number,
  rowHeight: number,
  widestLabel: number,
): Geometry {
  const heads = pattern.maps.heads.length;
  const map = Math.max(MAP_CELL, Math.min(heads * MAP_CELL, Math.round(width * MAP_SHARE)));
  const room = width - 2 * map - 2 * GAP - LEAST_CURVES;
  const wanted = Math.ceil(widestLabel) + INDEX + 2 * PADDING;
  const label = Math.max(LABELS.least, Math.min(LABELS.most, wanted, Math.floor(room / 2)));
  const queries = { from: map + GAP, to: map + GAP + label };
  const keys = { from: width - map - GAP - label, to: width - map - GAP };
  const offset = pattern.sink ? 1 : 0;
  return {
    width,
    rowHeight,
    rows: pattern.attention.length + offset,
    offset,
    map,
    label,
    left: { from: 0, to: map },
    queries,
    curves: { from: queries.to, to: Math.max(queries.to + 1, keys.from) },
    keys,
    right: { from: width - map, to: width },
  };
}

/** All tokens at once as far as a pixel each allows, or as high as reads well. */
export function fittingHeight(rows: number, room: number): number {
  return Math.max(
    LABEL_FROM_HEIGHT + 6,
    Math.min(COMFORTABLE, Math.floor(room / Math.max(1, rows))),
  );
}

export function overviewHeight(rows: number, room: number): number {
  return clampHeight(room / Math.max(1, rows));
}

export function clampHeight(height: number): number {
  return Math.max(LOWEST, Math.min(TALLEST, height));
}

/** The middle of a token's row; −1 is the sink. */
export function middle({ rowHeight, offset }: Geometry, position: number): number {
  return (position + offset + 0.5) * rowHeight;
}

/** The position at a height; −1 is the sink, null is beyond both ends. */
export function positionAt({ rowHeight, offset, rows }: Geometry, y: number): number | null {
  const row = Math.floor(y / rowHeight);
  return row < 0 || row >= rows ? null : row - offset;
}

export function within({ from, to }: Span, x: number): boolean {
  return x >= from && x < to;
}

// ------------------------------------------------------------------ curves

/** How far down a curve has come, of the whole, where it has gone that part of the way across. */
export function descent(across: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 24; step++) {
    const t = (low + high) / 2;
    if (1.5 * t - 1.5 * t * t + t * t * t < across) low = t;
    else high = t;
  }
  return 3 * low * low - 2 * low * low * low;
}

/** A curve from a query to a key: flat at both ends. */
export function trace(
  path: Pick<CanvasRenderingContext2D, 'moveTo' | 'bezierCurveTo'>,
  { from, to }: Span,
  start: number,
  end: number,
): void {
  const half = (from + to) / 2;
  path.moveTo(from, start);
  path.bezierCurveTo(half, start, half, end, to, end);
}
