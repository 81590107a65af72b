/**
 * A heat map on a canvas: one ImageData of a pixel per cell, blown up, with text where cells have room.
 *
 * Draws only what the window shows, so that 4,096 columns scroll as smoothly as ten. Rows are given
 * in display order, first at the top. Knows no React and no model.
 */
import { FitText } from './fitText';
import { wantsDarkText } from './lut';
import { TEXT_FROM_WIDTH } from './zoom';

export interface HeatCells {
  rows: number;
  columns: number;
  /** Packed RGBA, row by row; 0 draws nothing. */
  colours: Uint32Array;
  label: (row: number, column: number) => string;
  /** Labels are numbers: to the right, and whole or not at all. */
  numeric: boolean;
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
  text: string;
  darkText: string;
  lightText: string;
  accent: string;
  font: string;
}

export interface Cursor {
  row: number;
  column: number;
}

const TEXT_FROM_HEIGHT = 13;
const COLUMN_GAP_FROM = 10;
const ROW_GAP_FROM = 12;
const PADDING = 4;

export class HeatGrid {
  private readonly pixels: HTMLCanvasElement;
  private cells: HeatCells | null = null;
  private text: FitText | null = null;

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
    drawGaps(context, frame, seen, style);
    if (frame.cellWidth >= TEXT_FROM_WIDTH && frame.rowHeight >= TEXT_FROM_HEIGHT)
      this.drawLabels(context, frame, seen, style);
    if (this.cells.marks) this.drawMarks(context, frame, seen, style, this.cells.marks);
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

  private drawLabels(
    context: CanvasRenderingContext2D,
    frame: Frame,
    seen: Window,
    style: HeatStyle,
  ): void {
    const { cells } = this;
    if (!cells) return;
    const text = this.fitter(context, style.font);
    const room = frame.cellWidth - 2 * PADDING - 1;
    context.textBaseline = 'middle';
    for (let row = seen.top; row < seen.bottom; row++) {
      const middle = (row + 0.5) * frame.rowHeight - frame.scrollY;
      for (let column = seen.left; column < seen.right; column++) {
        const label = cells.label(row, column);
        const shown = label === '' ? '' : text.fit(label, room, cells.numeric);
        if (shown === '') continue;
        const colour = cells.colours[row * cells.columns + column] ?? 0;
        const left = column * frame.cellWidth - frame.scrollX + PADDING;
        const indent = cells.numeric ? room - text.width(label) : 0;
        context.fillStyle = textColour(colour, style);
        context.fillText(shown, left + indent, middle);
      }
    }
  }

  private fitter(context: CanvasRenderingContext2D, font: string): FitText {
    context.font = font;
    if (this.text?.font !== font)
      this.text = new FitText((text) => context.measureText(text).width, font);
    return this.text;
  }

  private drawMarks(
    context: CanvasRenderingContext2D,
    frame: Frame,
    seen: Window,
    style: HeatStyle,
    marks: Uint8Array,
  ): void {
    const { cells } = this;
    const size = Math.min(6, frame.cellWidth / 2, frame.rowHeight / 2);
    if (!cells || size < 2) return;
    for (let row = seen.top; row < seen.bottom; row++) {
      for (let column = seen.left; column < seen.right; column++) {
        const at = row * cells.columns + column;
        if (!marks[at]) continue;
        const right = (column + 1) * frame.cellWidth - frame.scrollX - 1;
        const top = row * frame.rowHeight - frame.scrollY;
        context.fillStyle = textColour(cells.colours[at] ?? 0, style);
        context.beginPath();
        context.moveTo(right - size, top);
        context.lineTo(right, top);
        context.lineTo(right, top + size);
        context.fill();
      }
    }
  }
}

function textColour(colour: number, style: HeatStyle): string {
  if (colour === 0) return style.text;
  return wantsDarkText(colour) ? style.darkText : style.lightText;
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

function drawGaps(
  context: CanvasRenderingContext2D,
  frame: Frame,
  seen: Window,
  style: HeatStyle,
): void {
  context.fillStyle = style.ground;
  if (frame.cellWidth >= COLUMN_GAP_FROM) {
    for (let column = seen.left; column <= seen.right; column++)
      context.fillRect(column * frame.cellWidth - frame.scrollX - 1, 0, 1, frame.height);
  }
  if (frame.rowHeight < ROW_GAP_FROM) return;
  for (let row = seen.top; row <= seen.bottom; row++)
    context.fillRect(0, row * frame.rowHeight - frame.scrollY - 1, frame.width, 1);
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
  context.fillRect(left + Math.max(1, frame.cellWidth - 1), 0, 1, bottom);
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
  if (frame.cellWidth < 8 || frame.rowHeight < 8) return;
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
