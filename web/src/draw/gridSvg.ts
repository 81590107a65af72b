/** A plain heat map as one SVG: all of it, with names of rows and columns, and what it is of. */
import type { HeatCells } from './heatgrid';
import { css, wantsDarkText } from './lut';
import type { Picture } from './saving';
import { escaped, written, type Ink } from './svgText';
import { shorten } from './tokens';

export interface GridFigure {
  /** First and second line. */
  heading: string;
  note: string;
  /** In display order, as the cells. */
  rowNames: readonly string[];
  columnNames: readonly string[];
  cells: HeatCells;
  /** Of tokens.css: "--ground" and its like, and the fonts. */
  token: Ink;
}

const MARGIN = 16;
const HEAD = 48;
const AXIS = 22;
const GUTTER = 64;
const ROW = 24;
const LETTER = 6.7;
const NARROWEST = 480;
const FROM_WIDTH = 30; // of a cell that has room for words

export function gridSvg(figure: GridFigure): Picture {
  const { cells, token, rowNames, columnNames } = figure;
  const cell = cells.columns <= 120 ? 60 : Math.max(2, Math.floor(10_000 / cells.columns));
  const width = Math.max(NARROWEST, GUTTER + cells.columns * cell + 2 * MARGIN);
  const [left, top] = [MARGIN + GUTTER, HEAD + AXIS];
  const height = top + cells.rows * ROW + MARGIN;
  const letters = Math.floor((width - 2 * MARGIN) / 7);
  const [ink, faint] = [token('--text'), token('--text-2')];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${token('--ground')}"/>`,
    `<g font-family="${escaped(token('--sans'))}">`,
    written(shorten(figure.heading.replaceAll('\n', '↵'), letters), MARGIN, 20, {
      fill: ink,
      size: 13,
      bold: true,
    }),
    written(shorten(figure.note, letters), MARGIN, 37, { fill: faint, size: 11 }),
    `</g><g font-family="${escaped(token('--mono'))}" font-size="11">`,
    ...rowNames.map((name, row) => written(name, MARGIN, top + row * ROW + 16, { fill: faint })),
    ...(cell < FROM_WIDTH
      ? []
      : columnNames.map((name, column) =>
          written(
            shorten(name, Math.floor((cell - 4) / LETTER)),
            left + column * cell + 4,
            top - 7,
            {
              fill: ink,
            },
          ),
        )),
    ...cellParts(cells, cell, left, top, faint),
    '</g></svg>',
  ];
  return { svg: parts.filter(Boolean).join('\n'), width, height };
}

function cellParts(
  cells: HeatCells,
  cell: number,
  left: number,
  top: number,
  faint: string,
): string[] {
  const parts: string[] = [];
  const gap = cell >= 10 ? 1 : 0;
  for (let row = 0; row < cells.rows; row++)
    for (let column = 0; column < cells.columns; column++) {
      const colour = cells.colours[row * cells.columns + column] ?? 0;
      const [x, y] = [left + column * cell, top + row * ROW];
      if (colour !== 0)
        parts.push(
          `<rect x="${x}" y="${y}" width="${cell - gap}" height="${ROW - 1}" fill="${css(colour)}"/>`,
        );
      if (cell < FROM_WIDTH) continue;
      const fill = colour === 0 ? faint : wantsDarkText(colour) ? '#111110' : '#fbfbfa';
      parts.push(written(cells.label(row, column), x + cell - 5, y + 16, { fill, anchor: 'end' }));
    }
  return parts;
}
