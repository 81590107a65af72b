/** The whole grid as a picture, with its axes, scale and prompt: not only what the window shows. */
import { saveBlob } from '../components/save';
import { rowLabel } from '../core/address';
import { HeatGrid, type Frame } from '../core/heatgrid';
import { changedCells, topLabel, type Lens, type Painted } from '../core/lens';
import { css, table } from '../core/lut';
import { shorten } from '../core/tokens';
import type { Spec } from '../core/url';
import { useTheme } from '../state/theme';
import { GUTTER, ROW_HEIGHT } from './layout';

const HEAD = 44;
const FOOT = 36;
/** Browsers refuse canvases wider than about 16,000 pixels. */
const WIDEST = 15_000;

export async function saveLensPng(
  lens: Lens,
  painted: Painted,
  mode: Spec['mode'],
  spec: Spec,
  model: string,
): Promise<void> {
  const cellWidth = Math.max(1, Math.min(72, Math.floor(WIDEST / 2 / lens.columns)));
  const ratio = cellWidth * lens.columns * 2 > WIDEST ? 1 : 2;
  const frame: Frame = {
    cellWidth,
    rowHeight: ROW_HEIGHT,
    scrollX: 0,
    scrollY: 0,
    width: cellWidth * lens.columns,
    height: ROW_HEIGHT * lens.rows,
    ratio,
  };
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(name).trim();
  const grid = drawGrid(lens, painted, mode, frame, read);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(600, GUTTER + frame.width + 16) * ratio;
  canvas.height = (HEAD + frame.height + FOOT + 24) * ratio;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(ratio, ratio);
  context.fillStyle = read('--ground');
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(grid, GUTTER, HEAD, frame.width, frame.height);
  drawLabels(context, lens, frame, spec, model, read);
  drawScale(context, painted, HEAD + frame.height + 12, read);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve));
  if (blob) saveBlob('lens.png', blob);
}

function drawGrid(
  lens: Lens,
  painted: Painted,
  mode: Spec['mode'],
  frame: Frame,
  read: (name: string) => string,
): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  const grid = new HeatGrid(canvas);
  const top = (row: number) => lens.rows - 1 - row;
  const turn = <Out extends Uint32Array | Uint8Array>(from: Out, into: Out): Out => {
    for (let row = 0; row < lens.rows; row++)
      into.set(
        from.subarray(top(row) * lens.columns, (top(row) + 1) * lens.columns),
        row * lens.columns,
      );
    return into;
  };
  const values = lens.edited && mode !== 'baseline' ? lens.edited : lens.baseline;
  grid.setCells({
    rows: lens.rows,
    columns: lens.columns,
    colours: turn(painted.colours, new Uint32Array(painted.colours.length)),
    label: (row, column) => topLabel(lens, values, top(row), column),
    marks:
      mode === 'difference'
        ? turn(changedCells(lens), new Uint8Array(painted.colours.length))
        : null,
  });
  const colours = {
    ground: read('--ground'),
    darkText: '#111110',
    lightText: '#fbfbfa',
    accent: read('--accent'),
  };
  grid.draw(frame, { ...colours, font: `11px ${read('--mono')}` }, null, null);
  return canvas;
}

function drawLabels(
  context: CanvasRenderingContext2D,
  lens: Lens,
  frame: Frame,
  spec: Spec,
  model: string,
  read: (name: string) => string,
): void {
  context.fillStyle = read('--text');
  context.font = `12px ${read('--sans')}`;
  context.fillText(shorten(`${model}: ${spec.prompt.replaceAll('\n', '↵')}`, 160), 8, 16);
  context.font = `11px ${read('--mono')}`;
  context.fillStyle = read('--text-2');
  if (frame.cellWidth >= 30) {
    lens.meta.tokens.forEach((token, column) => {
      context.fillText(
        shorten(token.label, Math.floor(frame.cellWidth / 7)),
        GUTTER + column * frame.cellWidth + 4,
        HEAD - 8,
      );
    });
  }
  lens.meta.rows.forEach((name, row) => {
    context.fillText(rowLabel(name), 8, HEAD + (lens.rows - 1 - row) * frame.rowHeight + 16);
  });
}

function drawScale(
  context: CanvasRenderingContext2D,
  painted: Painted,
  top: number,
  read: (name: string) => string,
): void {
  const { scale } = painted;
  const lut = table(scale.kind, useTheme.getState().theme);
  for (let step = 0; step < 256; step++) {
    context.fillStyle = css(lut[step] ?? 0);
    context.fillRect(GUTTER + step, top, 1.5, 10);
  }
  context.fillStyle = read('--text-2');
  context.fillText(`${scale.ticks[0]}`, GUTTER, top + 24);
  context.textAlign = 'right';
  context.fillText(`${scale.ticks.at(-1)}`, GUTTER + 256, top + 24);
  context.textAlign = 'left';
  context.fillText(`${scale.name} ${scale.note}`, GUTTER + 272, top + 10);
}
