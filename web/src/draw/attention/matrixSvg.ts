/** The pattern as a matrix in an SVG: rectangles, one for a stretch of the same colour. */
import { written } from '../svgText';
import { css } from '../lut';
import { tickStep } from '../zoom';
import { blocks, columnsOf, columnX, fromEdges, SINK_GAP, textLines } from './matrixPaint';
import { modeName } from './pattern';
import { colourOf } from './scale';
import { fitter, type Part, type Sheet } from './sheet';

const EDGE = 84;
const SIDE = 460;
const CELLS = { least: 0.5, most: 24 };
/** Rectangles along a side; a longer prompt shows the largest of each block of pairs. */
const MOST_BLOCKS = 256;
const FONT = 10;

export function matrixSvg(sheet: Sheet): Part {
  const { pattern, inks } = sheet;
  const columns = columnsOf(pattern);
  const cell = Math.max(CELLS.least, Math.min(CELLS.most, SIDE / Math.max(columns, pattern.rows)));
  const parts = [
    pattern.attention.edited
      ? written(modeName(pattern.attention, pattern.mode), EDGE, 12, {
          fill: pattern.mode === 'edited' ? inks.edited : inks.baseline,
          bold: true,
        })
      : '',
    `<g transform="translate(${EDGE} ${EDGE})">`,
    ...cells(sheet, cell),
    ...sinks(sheet, cell),
    ...textLinesSvg(sheet, cell),
    '</g>',
    ...labels(sheet, cell),
  ];
  return {
    svg: parts.join(''),
    width: EDGE + columns * cell + (pattern.sink ? SINK_GAP : 0),
    height: EDGE + pattern.rows * cell,
  };
}

function cells({ pattern, lut }: Sheet, cell: number): string[] {
  const { rows, keys, most, signed } = pattern;
  const by = Math.ceil(Math.max(rows, keys) / MOST_BLOCKS);
  const seen = blocks(pattern.values ?? fromEdges(pattern), rows, keys, by);
  const [side, gap] = [cell * by, cell >= 10 ? 1 : 0];
  const left = columnX(pattern, 0, cell);
  const parts: string[] = [];
  for (let row = 0; row < seen.rows; row++) {
    const colours = Array.from({ length: seen.keys }, (_, key) =>
      colourOf(seen.values[row * seen.keys + key] ?? 0, most, signed, lut),
    );
    for (let start = 0; start < seen.keys;) {
      let end = start + 1;
      if (gap === 0) while (end < seen.keys && colours[end] === colours[start]) end++;
      const colour = colours[start] ?? 0;
      if (colour !== 0)
        parts.push(
          square(left + start * side, row * side, (end - start) * side - gap, side - gap, colour),
        );
      start = end;
    }
  }
  return parts;
}

function sinks({ pattern, lut }: Sheet, cell: number): string[] {
  const gap = cell >= 10 ? 1 : 0;
  return [...(pattern.sink ?? [])].map((value, row) => {
    const colour = colourOf(value, pattern.most, pattern.signed, lut);
    return colour === 0 ? '' : square(0, row * cell, cell - gap, cell - gap, colour);
  });
}

/** Where another text of a pair begins. */
function textLinesSvg({ pattern, inks }: Sheet, cell: number): string[] {
  const { rows, keys } = textLines(pattern, cell);
  const [wide, high] = [columnX(pattern, pattern.keys, cell), pattern.rows * cell];
  const line = (path: string) => `<path d="${path}" stroke="${inks.accent}"/>`;
  return [
    ...rows.map((y) => line(`M0 ${y - 0.5}H${wide}`)),
    ...keys.map((x) => line(`M${x - 0.5} 0V${high}`)),
  ];
}

function square(x: number, y: number, wide: number, high: number, colour: number): string {
  const [left, top, across, down] = [x, y, wide, high].map((one) => Math.round(one * 100) / 100);
  return `<rect x="${left}" y="${top}" width="${across}" height="${down}" fill="${css(colour)}"/>`;
}

/** Tokens where rows are as high as a line, else the positions of some. */
function labels({ pattern, inks }: Sheet, cell: number): string[] {
  const tokens = cell >= FONT;
  const step = tokens ? 1 : tickStep(cell, FONT + 2);
  const words = (side: 'query' | 'key', position: number) =>
    tokens
      ? fitter.fit(pattern.tokens[side][position]?.label ?? '', EDGE - 10, false)
      : String(position);
  const style = { fill: inks.text, size: FONT };
  const across = (text: string, x: number, fill = inks.text) =>
    `<g transform="translate(${EDGE + x + cell / 2 + 3} ${EDGE - 5}) rotate(-90)">${written(text, 0, 0, { ...style, fill })}</g>`;
  const rows = pattern.queries.map((position, row) =>
    row % step === 0
      ? written(words('query', position), EDGE - 5, EDGE + (row + 0.5) * cell + 3.5, {
          ...style,
          anchor: 'end',
        })
      : '',
  );
  const keys = Array.from({ length: pattern.keys }, (_, key) =>
    key % step === 0 ? across(words('key', key), columnX(pattern, key, cell)) : '',
  );
  return [...rows, ...keys, pattern.sink ? across('no token', 0, inks.text2) : ''];
}
