/** The window of the pattern as a matrix: queries down, keys across, the sink as a column of its own. */
import { FitText } from '../fitText';
import { figures } from '../format';
import { make } from '../dom';
import { unpack, wantsDarkText } from '../lut';
import { tickStep } from '../zoom';
import { modeName, textStarts, type Pattern } from './pattern';
import { colourOf } from './scale';
import type { PanelView } from './shown';

export interface MatrixFrame {
  view: PanelView;
  cell: number;
  scrollX: number;
  scrollY: number;
  width: number;
  height: number;
  /** Of the labels: left of the rows, above the columns. */
  edge: number;
}

/** Between the column of the sink and the first key. */
export const SINK_GAP = 4;
const LABEL_FROM = 10;
const TEXT_FROM = 30;
const GAP_FROM = 12;
const FONT = 10;
/** px by which the label of a thin row reaches beyond it. */
const HANG = 6;

/** Columns that are drawn: the sink, where there is one, is the first. */
export function columnsOf({ keys, sink }: Pattern): number {
  return keys + (sink ? 1 : 0);
}

/** Left end of a key's column from that of the first column; −1 is the sink. */
export function columnX({ sink }: Pattern, key: number, cell: number): number {
  return sink ? (key + 1) * cell + (key >= 0 ? SINK_GAP : 0) : key * cell;
}

/** The largest of each block of values, so that narrow features stay in sight where cells are below a pixel. */
export function blocks(
  values: Float32Array,
  rows: number,
  keys: number,
  by: number,
): { values: Float32Array; rows: number; keys: number } {
  if (by <= 1) return { values, rows, keys };
  const [down, across] = [Math.ceil(rows / by), Math.ceil(keys / by)];
  const found = new Float32Array(down * across);
  for (let row = 0; row < rows; row++) {
    const to = Math.floor(row / by) * across;
    for (let key = 0; key < keys; key++) {
      const value = values[row * keys + key] ?? 0;
      const at = to + Math.floor(key / by);
      if (Math.abs(value) > Math.abs(found[at] ?? 0)) found[at] = value;
    }
  }
  return { values: found, rows: down, keys: across };
}

export class MatrixPainter {
  private readonly bitmap = make('canvas');
  private made: { pattern: Pattern; lut: Uint32Array; by: number } | null = null;
  private fitter: FitText | null = null;

  paint(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
    const { edge, width, height } = frame;
    context.save();
    context.beginPath();
    context.rect(edge, edge, width - edge, height - edge);
    context.clip();
    context.translate(edge - frame.scrollX, edge - frame.scrollY);
    this.paintCells(context, frame);
    this.paintSink(context, frame);
    if (frame.cell >= GAP_FROM) paintGaps(context, frame);
    if (frame.cell >= TEXT_FROM) this.paintNumbers(context, frame);
    paintTextStarts(context, frame);
    paintMarks(context, frame);
    context.restore();
    this.paintLabels(context, frame);
  }

  // -------------------------------------------------------------- cells

  private paintCells(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
    const { view, cell } = frame;
    const { pattern, lut } = view;
    const by = Math.max(1, Math.floor(1 / cell));
    if (this.made?.pattern !== pattern || this.made.lut !== lut || this.made.by !== by)
      this.fill(pattern, lut, by);
    context.imageSmoothingEnabled = false;
    const { width, height } = this.bitmap;
    const seen = windowOf(frame);
    // Only what is in sight: a bitmap blown up far beyond the window is slow to draw.
    const [left, top] = [Math.floor(Math.max(0, seen.left) / by), Math.floor(seen.top / by)];
    const wide = Math.min(width, Math.ceil(seen.right / by)) - left;
    const high = Math.min(height, Math.ceil(seen.bottom / by)) - top;
    const side = by * cell;
    const x = columnX(pattern, 0, cell) + left * side;
    if (wide > 0 && high > 0)
      context.drawImage(
        this.bitmap,
        left,
        top,
        wide,
        high,
        x,
        top * side,
        wide * side,
        high * side,
      );
    context.imageSmoothingEnabled = true;
  }

  /** One pixel for a block of cells; where only the edges are known, those. */
  private fill(pattern: Pattern, lut: Uint32Array, by: number): void {
    this.made = { pattern, lut, by };
    const { rows, keys, most, signed } = pattern;
    const seen = blocks(pattern.values ?? fromEdges(pattern), rows, keys, by);
    this.bitmap.width = Math.max(1, seen.keys);
    this.bitmap.height = Math.max(1, seen.rows);
    const image = new ImageData(this.bitmap.width, this.bitmap.height);
    const words = new Uint32Array(image.data.buffer);
    for (let at = 0; at < seen.values.length; at++)
      words[at] = colourOf(seen.values[at] ?? 0, most, signed, lut);
    this.bitmap.getContext('2d')?.putImageData(image, 0, 0);
  }

  private paintSink(
    context: CanvasRenderingContext2D,
    { view, cell, scrollY, height }: MatrixFrame,
  ): void {
    const { sink, most, signed } = view.pattern;
    if (!sink) return;
    const first = Math.max(0, Math.floor(scrollY / cell));
    const last = Math.min(sink.length, Math.ceil((scrollY + height) / cell));
    for (let row = first; row < last; row++) {
      const colour = colourOf(sink[row] ?? 0, most, signed, view.lut);
      if (colour === 0) continue;
      context.fillStyle = rgb(colour);
      context.fillRect(0, row * cell, cell, cell);
    }
  }

  private paintNumbers(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
    const { view, cell } = frame;
    const { pattern, inks, lut } = view;
    const text = this.fit(context, inks.mono);
    const { top, bottom, left, right } = windowOf(frame);
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (let row = top; row < bottom; row++)
      for (let key = left; key < right; key++) {
        const value = key < 0 ? pattern.sink?.[row] : pattern.values?.[row * pattern.keys + key];
        if (!value) continue;
        const shown = text.fit(cellText(value), cell - 4, true);
        const colour = colourOf(value, pattern.most, pattern.signed, lut);
        context.fillStyle = wantsDarkText(colour) ? '#111110' : '#fbfbfa';
        context.fillText(shown, columnX(pattern, key, cell) + cell / 2, (row + 0.5) * cell);
      }
    context.textAlign = 'left';
  }

  private fit(context: CanvasRenderingContext2D, mono: string): FitText {
    const font = `${FONT}px ${mono}`;
    context.font = font;
    if (this.fitter?.font !== font)
      this.fitter = new FitText((text) => context.measureText(text).width, font);
    return this.fitter;
  }

  // -------------------------------------------------------------- labels

  private paintLabels(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
    const { edge, width, height } = frame;
    context.textBaseline = 'middle';
    inside(context, 0, edge - HANG, edge, height - edge + HANG, () =>
      this.rowLabels(context, frame),
    );
    inside(context, edge - HANG, 0, width - edge + HANG, edge, () =>
      this.columnLabels(context, frame),
    );
    context.textAlign = 'left';
    this.paintSideName(context, frame);
  }

  /** In the corner: whose side it is, where both are shown. */
  private paintSideName(context: CanvasRenderingContext2D, { view }: MatrixFrame): void {
    const { named, inks, mode, pattern } = view;
    if (!named) return;
    context.font = `600 ${FONT}px ${inks.sans}`;
    context.fillStyle = mode === 'edited' ? inks.edited : inks.baseline;
    context.fillText(modeName(pattern.attention, mode), 0, FONT);
  }

  private rowLabels(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
    const { view, cell, edge, scrollY } = frame;
    const { top, bottom } = windowOf(frame);
    const { query } = crossOf(view);
    const step = labelStep(cell);
    context.textAlign = 'right';
    for (let row = top; row < bottom; row++) {
      const strong = row === query;
      if (row % step !== 0 && !strong) continue;
      const position = view.pattern.queries[row] ?? 0;
      const shown = this.label(context, frame, 'query', position, strong);
      const y = edge + (row + 0.5) * cell - scrollY;
      if (strong) clear(context, view, 0, y - FONT / 2 - 1, edge, FONT + 2);
      context.fillText(shown, edge - 5, y);
    }
  }

  private columnLabels(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
    const { view, cell, edge, scrollX } = frame;
    const { left, right } = windowOf(frame);
    const { key: chosen } = crossOf(view);
    const step = labelStep(cell);
    context.textAlign = 'left';
    for (let key = left; key < right; key++) {
      const strong = key === chosen;
      if (key >= 0 && key % step !== 0 && !strong) continue;
      const shown =
        key < 0 ? sinkLabel(context, view) : this.label(context, frame, 'key', key, strong);
      const x = edge + columnX(view.pattern, key, cell) + cell / 2 - scrollX;
      if (strong) clear(context, view, x - FONT / 2 - 1, 0, FONT + 2, edge);
      context.save();
      context.translate(x, edge - 5);
      context.rotate(-Math.PI / 2);
      context.fillText(shown, 0, 0);
      context.restore();
    }
  }

  /** A token where there is room for it, else its position; sets the ink. */
  private label(
    context: CanvasRenderingContext2D,
    { view, cell, edge }: MatrixFrame,
    side: 'query' | 'key',
    position: number,
    strong: boolean,
  ): string {
    const { inks, pattern } = view;
    const token = pattern.tokens[side][position];
    const fitter = this.fit(context, inks.mono);
    context.font = `${strong ? 'bold ' : ''}${FONT}px ${inks.mono}`;
    const named = cell >= LABEL_FROM || strong;
    context.fillStyle = strong ? inks.accent : named && !token?.special ? inks.text : inks.text2;
    return named ? fitter.fit(token?.label ?? '', edge - 10, false) : String(position);
  }
}

function labelStep(cell: number): number {
  return cell >= LABEL_FROM ? 1 : tickStep(cell, FONT + 2);
}

function inside(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  wide: number,
  high: number,
  paint: () => void,
): void {
  context.save();
  context.beginPath();
  context.rect(x, y, wide, high);
  context.clip();
  paint();
  context.restore();
}

/** The label that is pointed at lies over those beside it. */
function clear(
  context: CanvasRenderingContext2D,
  { inks }: PanelView,
  x: number,
  y: number,
  wide: number,
  high: number,
): void {
  const ink = context.fillStyle;
  context.fillStyle = inks.ground;
  context.fillRect(x, y, wide, high);
  context.fillStyle = ink;
}

function sinkLabel(context: CanvasRenderingContext2D, { inks }: PanelView): string {
  context.font = `italic ${FONT}px ${inks.sans}`;
  context.fillStyle = inks.text2;
  return 'no token';
}

export function fromEdges({ edges, rows, keys }: Pattern): Float32Array {
  const values = new Float32Array(rows * keys);
  for (let at = 0; at < edges.values.length; at++)
    values[(edges.rows[at] ?? 0) * keys + (edges.keys[at] ?? 0)] = edges.values[at] ?? 0;
  return values;
}

function rgb(colour: number): string {
  return `rgb(${unpack(colour).join(' ')})`;
}

/** Rows and keys in sight; −1 is the sink. */
export function windowOf({ view, cell, scrollX, scrollY, width, height, edge }: MatrixFrame) {
  const { pattern } = view;
  const lead = pattern.sink ? 1 : 0;
  const shift = pattern.sink ? SINK_GAP : 0;
  return {
    top: Math.max(0, Math.floor(scrollY / cell)),
    bottom: Math.min(pattern.rows, Math.ceil((scrollY + height - edge) / cell)),
    left: Math.max(-lead, Math.floor((scrollX - shift) / cell) - lead),
    right: Math.min(pattern.keys, Math.ceil((scrollX + width - edge - shift) / cell) - lead + 1),
  };
}

/** The row and key that are lit or pointed at; null: none. */
function crossOf({ pattern, lit, pointed }: PanelView): {
  query: number | null;
  key: number | null;
} {
  const rowOf = (position: number) => pattern.rowOf[position] ?? -1;
  if (pointed?.kind === 'pair') return { query: rowOf(pointed.query), key: pointed.key };
  if (!lit) return { query: null, key: null };
  return lit.side === 'query'
    ? { query: rowOf(lit.position), key: null }
    : { query: null, key: lit.position };
}

function paintGaps(context: CanvasRenderingContext2D, frame: MatrixFrame): void {
  const { view, cell } = frame;
  const { pattern, inks } = view;
  const { top, bottom, left, right } = windowOf(frame);
  context.fillStyle = inks.ground;
  const across = columnX(pattern, right, cell);
  for (let row = top; row <= bottom; row++) context.fillRect(0, row * cell - 1, across, 1);
  for (let key = left; key <= right; key++)
    context.fillRect(columnX(pattern, key, cell) - 1, top * cell, 1, (bottom - top) * cell);
}

/** Where another text of a pair begins: above its first row that is asked for, left of its first key. */
export function textLines(pattern: Pattern, cell: number): { rows: number[]; keys: number[] } {
  const starts = textStarts(pattern);
  const rows = starts.map((start) => pattern.queries.findIndex((position) => position >= start));
  return {
    rows: [...new Set(rows)].filter((row) => row > 0).map((row) => row * cell),
    keys: starts.map((start) => columnX(pattern, start, cell)),
  };
}

function paintTextStarts(context: CanvasRenderingContext2D, { view, cell }: MatrixFrame): void {
  const { pattern, inks } = view;
  const { rows, keys } = textLines(pattern, cell);
  context.fillStyle = inks.accent;
  const wide = columnX(pattern, pattern.keys, cell);
  for (const y of rows) context.fillRect(0, Math.round(y) - 1, wide, 1);
  for (const x of keys) context.fillRect(Math.round(x) - 1, 0, 1, pattern.rows * cell);
}

/** Rails along the row and column that are lit, a frame around the cell that is pointed at. */
function paintMarks(context: CanvasRenderingContext2D, { view, cell }: MatrixFrame): void {
  const { pattern, inks } = view;
  const { query, key } = crossOf(view);
  const wide = columnX(pattern, pattern.keys, cell);
  context.strokeStyle = inks.accent;
  context.lineWidth = 1;
  if (query !== null && query >= 0)
    context.strokeRect(-0.5, query * cell - 0.5, wide, Math.max(2, cell));
  if (key !== null)
    context.strokeRect(
      columnX(pattern, key, cell) - 0.5,
      -0.5,
      Math.max(2, cell),
      pattern.rows * cell,
    );
}

/** ".12", "−.5", "13": as short as a cell is. */
function cellText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1) return figures(Number(value.toPrecision(2)));
  const shown = size.toFixed(2).slice(1);
  return size < 0.005 ? '' : `${value < 0 ? '−' : ''}${shown}`;
}
