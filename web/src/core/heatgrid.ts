/**
 * A heat map on a canvas: one ImageData of a pixel per cell, blown up, with text where cells have room.
 *
 * Draws only what the window shows, so that 4,096 columns scroll as smoothly as ten. Rows are given
 * in display order, first at the top. Knows no React and no model.
 */
import { shorten } from './tokens';
import { wantsDarkText } from './lut';

export interface HeatCells {
  rows: number;
  columns: number;
  /** Packed RGBA, row by row. */
  colours: Uint32Array;
  label: (row: number, column: number) => string;
  /** 1 where a corner mark is drawn. */
  marks: Uint8Array | null;
}

export interface Frame {
  cellWidth: number;
  rowHeight: number;
  scrollX: number;
  scrollY: number;
  width: number;
  height: number;
  /** Device pixels per CSS pixel. */
  ratio: number;
}

export interface HeatStyle {
  ground: string;
  darkText: string;
  lightText: string;
  accent: string;
  font: string;
}

export interface Cursor {
  row: number;
  column: number;
}

const TEXT_FROM_WIDTH = 30;
const GAP_FROM_WIDTH = 10;

export class HeatGrid {
  private readonly pixels: HTMLCanvasElement;
  private cells: HeatCells | null = null;
  private fitted = new Map<string, string>();
  private fittedFor = '';

  constructor(
    private readonly canvas: HTMLCanvasElement,
    makeCanvas: () => HTMLCanvasElement = () => document.createElement('canvas'),
  ) {
    this.pixels = makeCanvas();
  }

  /** New cells or colours: one putImageData. */
  setCells(cells: HeatCells): void {
    this.cells = cells;
    this.pixels.width = Math.max(1, cells.columns);
    this.pixels.height = Math.max(1, cells.rows);
    const image = new ImageData(this.pixels.width, this.pixels.height);
    new Uint32Array(image.data.buffer).set(cells.colours.subarray(0, cells.rows * cells.columns));
    this.pixels.getContext('2d')?.putImageData(image, 0, 0);
  }

  draw(frame: Frame, style: HeatStyle, cursor: Cursor | null, hover: Cursor | null): void {
    const context = this.canvas.getContext('2d');
    if (!context || !this.cells) return;
    this.resize(frame);
    context.setTransform(frame.ratio, 0, 0, frame.ratio, 0, 0);
    context.clearRect(0, 0, frame.width, frame.height);
    const seen = visible(frame, this.cells);
    this.drawColours(context, frame, seen);
    this.drawGaps(context, frame, seen, style);
    if (frame.cellWidth >= TEXT_FROM_WIDTH) this.drawLabels(context, frame, seen, style);
    this.drawMarks(context, frame, seen, style);
    if (cursor) drawCursor(context, frame, this.cells, cursor, style);
    if (hover) outline(context, frame, hover, 1, style.darkText, style.lightText);
  }

  private resize(frame: Frame): void {
    const width = Math.round(frame.width * frame.ratio);
    const height = Math.round(frame.height * frame.ratio);
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  private drawColours(context: CanvasRenderingContext2D, frame: Frame, seen: Window): void {
    context.imageSmoothingEnabled = false;
    const columns = seen.right - seen.left;
    const rows = seen.bottom - seen.top;
    if (columns <= 0 || rows <= 0) return;
    context.drawImage(
      this.pixels,
      seen.left,
      seen.top,
      columns,
      rows,
      seen.left * frame.cellWidth - frame.scrollX,
      seen.top * frame.rowHeight - frame.scrollY,
      columns * frame.cellWidth,
      rows * frame.rowHeight,
    );
  }

  private drawGaps(
    context: CanvasRenderingContext2D,
    frame: Frame,
    seen: Window,
    style: HeatStyle,
  ): void {
    context.fillStyle = style.ground;
    if (frame.cellWidth >= GAP_FROM_WIDTH) {
      for (let column = seen.left; column <= seen.right; column++) {
        context.fillRect(column * frame.cellWidth - frame.scrollX - 1, 0, 1, frame.height);
      }
    }
    for (let row = seen.top; row <= seen.bottom; row++) {
      context.fillRect(0, row * frame.rowHeight - frame.scrollY - 1, frame.width, 1);
    }
  }

  private drawLabels(
    context: CanvasRenderingContext2D,
    frame: Frame,
    seen: Window,
    style: HeatStyle,
  ): void {
    const { cells } = this;
    if (!cells) return;
    context.font = style.font;
    context.textBaseline = 'middle';
    for (let row = seen.top; row < seen.bottom; row++) {
      for (let column = seen.left; column < seen.right; column++) {
        const colour = cells.colours[row * cells.columns + column] ?? 0;
        context.fillStyle = wantsDarkText(colour) ? style.darkText : style.lightText;
        const text = this.fit(context, cells.label(row, column), frame.cellWidth - 9, style.font);
        context.fillText(
          text,
          column * frame.cellWidth - frame.scrollX + 4,
          (row + 0.5) * frame.rowHeight - frame.scrollY,
        );
      }
    }
  }

  /** The longest start of a label that fits; remembered, since few labels fill many cells. */
  private fit(
    context: CanvasRenderingContext2D,
    label: string,
    room: number,
    font: string,
  ): string {
    const key = `${room} ${font}`;
    if (key !== this.fittedFor || this.fitted.size > 20_000) {
      this.fitted = new Map();
      this.fittedFor = key;
    }
    const known = this.fitted.get(label);
    if (known !== undefined) return known;
    let text = label;
    for (
      let length = [...label].length;
      length > 0 && context.measureText(text).width > room;
      length--
    ) {
      text = shorten(label, length - 1);
    }
    // A cell is one line: marks of direction in a token must not reorder its neighbours.
    const isolated = `\u2068${text}\u2069`;
    this.fitted.set(label, isolated);
    return isolated;
  }

  private drawMarks(
    context: CanvasRenderingContext2D,
    frame: Frame,
    seen: Window,
    style: HeatStyle,
  ): void {
    const { cells } = this;
    if (!cells?.marks) return;
    const size = Math.min(6, frame.cellWidth / 2);
    for (let row = seen.top; row < seen.bottom; row++) {
      for (let column = seen.left; column < seen.right; column++) {
        const at = row * cells.columns + column;
        if (!cells.marks[at]) continue;
        const right = (column + 1) * frame.cellWidth - frame.scrollX - 1;
        const top = row * frame.rowHeight - frame.scrollY;
        context.fillStyle = wantsDarkText(cells.colours[at] ?? 0)
          ? style.darkText
          : style.lightText;
        context.beginPath();
        context.moveTo(right - size, top);
        context.lineTo(right, top);
        context.lineTo(right, top + size);
        context.fill();
      }
    }
  }
}

interface Window {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

function visible(frame: Frame, cells: HeatCells): Window {
  return {
    left: Math.max(0, Math.floor(frame.scrollX / frame.cellWidth)),
    right: Math.min(cells.columns, Math.ceil((frame.scrollX + frame.width) / frame.cellWidth)),
    top: Math.max(0, Math.floor(frame.scrollY / frame.rowHeight)),
    bottom: Math.min(cells.rows, Math.ceil((frame.scrollY + frame.height) / frame.rowHeight)),
  };
}

/** The chosen column as two rails, the chosen cell as a frame that shows on any colour. */
function drawCursor(
  context: CanvasRenderingContext2D,
  frame: Frame,
  cells: HeatCells,
  cursor: Cursor,
  style: HeatStyle,
): void {
  const left = cursor.column * frame.cellWidth - frame.scrollX;
  const bottom = Math.min(frame.height, cells.rows * frame.rowHeight - frame.scrollY);
  context.fillStyle = style.accent;
  context.fillRect(left - 1, 0, 1, bottom);
  context.fillRect(left + frame.cellWidth - 1, 0, 1, bottom);
  outline(context, frame, cursor, 2, style.accent, style.ground);
}

function outline(
  context: CanvasRenderingContext2D,
  frame: Frame,
  at: Cursor,
  width: number,
  outer: string,
  inner: string,
): void {
  const left = at.column * frame.cellWidth - frame.scrollX - 1;
  const top = at.row * frame.rowHeight - frame.scrollY - 1;
  context.lineWidth = width;
  context.strokeStyle = outer;
  context.strokeRect(left + 0.5, top + 0.5, frame.cellWidth, frame.rowHeight);
  if (frame.cellWidth < 8) return;
  context.lineWidth = 1;
  context.strokeStyle = inner;
  context.strokeRect(left + 2, top + 2, frame.cellWidth - 3, frame.rowHeight - 3);
}

/** The cell under a point of the canvas; null beside the grid. */
export function cellAt(
  frame: Frame,
  rows: number,
  columns: number,
  x: number,
  y: number,
): Cursor | null {
  const column = Math.floor((x + frame.scrollX) / frame.cellWidth);
  const row = Math.floor((y + frame.scrollY) / frame.rowHeight);
  return column >= 0 && column < columns && row >= 0 && row < rows ? { row, column } : null;
}

/** One width for all tokens: wide enough to read where the prompt allows it. */
export function fittingWidth(columns: number, room: number): number {
  const share = Math.floor(room / Math.max(1, columns));
  return Math.max(72, Math.min(144, share));
}

export const WIDTHS = [4, 8, 16, 32, 48, 72, 96, 120] as const;

/** The next wider (+1) or narrower (-1) width. */
export function stepWidth(width: number, step: 1 | -1): number {
  return step > 0
    ? (WIDTHS.find((candidate) => candidate > width) ?? 120)
    : (WIDTHS.findLast((candidate) => candidate < width) ?? 4);
}
