/** The whole picture as one SVG, with what it is of: not only what the window shows. */
import { escaped, written, type Ink } from '../svgText';
import { css, table } from '../lut';
import type { Picture } from '../saving';
import { shorten } from '../tokens';
import { columnsSvg } from './columnsSvg';
import { matrixSvg } from './matrixSvg';
import { modeName, panelModes, patternOf } from './pattern';
import { lutOf, scaleOf } from './scale';
import { FONT, type Sheet } from './sheet';
import type { AttentionShown } from './shown';
import { inksOf, type Inks } from './style';
import { keptWords } from './text';

export interface AttentionFigure {
  shown: AttentionShown;
  /** First line: the prompt. */
  heading: string;
  model: string;
  /** Of tokens.css: "--ground" and its like, and the fonts. */
  token: Ink;
}

const MARGIN = 16;
const HEAD = 48;
const FOOT = 58;
const BETWEEN = 32;
const SCALE = { width: 200, steps: 48 };

export function attentionSvg({ shown, heading, model, token }: AttentionFigure): Picture {
  const inks = inksOf(token);
  const modes = panelModes(shown.attention, shown.mode);
  const sheets = modes.map((mode): Sheet => {
    const pattern = patternOf(shown.attention, mode, shown.head);
    return { pattern, shown, inks, lut: lutOf(pattern.signed, shown.theme, shown.maps) };
  });
  const parts = sheets.flatMap((sheet) => [
    ...(shown.layout === 'matrix' ? [] : [columnsSvg(sheet)]),
    ...(shown.layout === 'columns' ? [] : [matrixSvg(sheet)]),
  ]);
  const width = parts.reduce((sum, part) => sum + part.width + BETWEEN, -BETWEEN) + 2 * MARGIN;
  const height = HEAD + Math.max(...parts.map((part) => part.height)) + FOOT * sheets.length;
  let x = MARGIN;
  const placed = parts.map((part) => {
    const at = x;
    x += part.width + BETWEEN;
    return `<g transform="translate(${at} ${HEAD})">${part.svg}</g>`;
  });
  const legends = sheets.map((sheet, at) =>
    scaleSvg(sheet, MARGIN, height - FOOT * (sheets.length - at) + 14),
  );
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${inks.ground}"/>`,
    `<g font-family="${escaped(inks.sans)}">${headSvg(heading, model, inks, width)}${legends.join('')}</g>`,
    `<g font-family="${escaped(inks.mono)}" font-size="${FONT}">`,
    ...placed,
    '</g></svg>',
  ].join('\n');
  return { svg, width, height };
}

function headSvg(heading: string, model: string, inks: Inks, width: number): string {
  const words = shorten(heading.replaceAll('\n', '↵'), Math.floor((width - 2 * MARGIN) / 7));
  return (
    written(words, MARGIN, 20, { fill: inks.text, bold: true, size: 13 }) +
    written(`Attention of ${model}`, MARGIN, 36, { fill: inks.text, size: 11 })
  );
}

function scaleSvg({ pattern, shown, inks }: Sheet, x: number, y: number): string {
  const scale = scaleOf(pattern);
  const lut = table(scale.kind, shown.theme, shown.maps);
  const step = SCALE.width / SCALE.steps;
  const bars = Array.from({ length: SCALE.steps }, (_, at) => {
    const colour = css(lut[Math.round((at / (SCALE.steps - 1)) * 255)] ?? 0);
    return `<rect x="${x + at * step}" y="${y}" width="${step + 0.5}" height="8" fill="${colour}"/>`;
  });
  const places = [x, x + SCALE.width / 2, x + SCALE.width];
  const ticks = scale.ticks.map((tick, at) =>
    written(tick, places[at] ?? x, y + 20, {
      fill: inks.text2,
      size: 10,
      anchor: ['start', 'middle', 'end'][at] ?? 'start',
    }),
  );
  const side = pattern.attention.edited ? `${modeName(pattern.attention, pattern.mode)}: ` : '';
  const right = x + SCALE.width + 16;
  return [
    ...bars,
    ...ticks,
    written(`${side}${scale.name}, ${scale.note}`, right, y + 8, { fill: inks.text, size: 11 }),
    written(keptWords(pattern), right, y + 22, { fill: inks.text2, size: 10 }),
  ].join('');
}
