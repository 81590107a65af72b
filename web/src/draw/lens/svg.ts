/** The whole grid as one SVG, with its axes, its scale and what it is of: not only what the window shows. */
import { rowLabel } from '../residual';
import { FitText } from '../fitText';
import { outcome, shownSide, type Lens, type Mode } from './data';
import type { Painted } from './paint';
import { css, table, wantsDarkText, type ColourMaps, type Theme } from '../lut';
import { shorten } from '../tokens';
import { GUTTER, ROW_HEIGHT, TEXT_FROM_WIDTH } from '../zoom';

export interface Figure {
  svg: string;
  width: number;
  height: number;
}

export interface FigureInput {
  lens: Lens;
  painted: Painted;
  mode: Mode;
  /** First line: the prompt. */
  heading: string;
  /** Layer 0 at the top. */
  flipped: boolean;
  model: string;
  theme: Theme;
  maps?: ColourMaps;
  /** Of tokens.css: "--ground" and its like, and the fonts. */
  token: (name: string) => string;
}

const MARGIN = 16;
const HEAD = 48;
const AXIS = 22;
const FOOT = 48;
const SCALE_WIDTH = 240;
const SCALE_STEPS = 64;
const FONT = 11;
const NARROWEST_FIGURE = 640;
/** Of a cell's text, px a character: monospaced fonts differ little. */
const NARROW = 6.7;
const WIDE = 12;
const INDEX_WIDTH = 5.5;

/** Drawn in display order, the way the page shows it. */
export function lensSvg(input: FigureInput): Figure {
  const { lens, flipped, token } = input;
  const cell = lens.columns <= 120 ? 84 : Math.max(2, Math.floor(12_000 / lens.columns));
  const width = Math.max(NARROWEST_FIGURE, GUTTER + lens.columns * cell + 2 * MARGIN);
  const top = HEAD + AXIS;
  const bottom = top + lens.rows * ROW_HEIGHT;
  const height = bottom + AXIS + FOOT;
  const [above, below] = flipped ? [inputs, outcomes] : [outcomes, inputs];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${token('--ground')}"/>`,
    `<g font-family="${escape(token('--sans'))}" fill="${token('--text')}">${heading(input, width)}</g>`,
    `<g font-family="${escape(token('--mono'))}" font-size="${FONT}">`,
    ...axis(above(input), cell, top - 7, token),
    ...cells(input, cell, top),
    ...rowNames(input, top),
    ...axis(below(input), cell, bottom + 15, token),
    ...scale(input, bottom + AXIS + 8),
    '</g></svg>',
  ];
  return { svg: parts.join('\n'), width, height };
}

function heading({ lens, heading: words, model, mode }: FigureInput, width: number): string {
  const room = Math.floor((width - 2 * MARGIN) / 7);
  const prompt = shorten(words.replaceAll('\n', '↵'), room);
  const of = lens.edited ? `, ${mode === 'difference' ? 'edited against baseline' : mode}` : '';
  const read = lens.meta.decoder === 'final_norm' ? '' : `, read by ${lens.meta.decoder} on`;
  return [
    `<text x="${MARGIN}" y="20" font-size="13" font-weight="600">${escape(prompt)}</text>`,
    `<text x="${MARGIN}" y="36" font-size="11">${escape(`Logit lens of ${model}${of}${read}`)}</text>`,
  ].join('');
}

// ------------------------------------------------------------------ axes

interface Mark {
  text: string;
  strong: boolean;
  /** Small, before the text. */
  index?: number;
}

function inputs({ lens }: FigureInput): Mark[] {
  return lens.meta.tokens.map((token, column) => ({
    text: token.label,
    strong: false,
    index: lens.meta.positions[column] ?? column,
  }));
}

/** ✓ where the text goes on as the whole model says. */
function outcomes({ lens, mode }: FigureInput): Mark[] {
  const { values } = shownSide(lens, mode);
  return Array.from({ length: lens.columns }, (_, column) => {
    const { token, right } = outcome(lens, values, column);
    return { text: `${right ? '✓' : ''}${token.label}`, strong: right === true };
  });
}

function axis(marks: Mark[], cell: number, y: number, token: FigureInput['token']): string[] {
  if (cell < TEXT_FROM_WIDTH) return [];
  return marks.map(({ text, strong, index }, column) => {
    const left = MARGIN + GUTTER + column * cell + 4;
    const small = index === undefined ? '' : String(index);
    const indent = small.length * INDEX_WIDTH + (small ? 4 : 0);
    return [
      written(small, left, y, { fill: token('--text-2'), size: 9 }),
      written(fitter.fit(text, cell - 8 - indent, false), left + indent, y, {
        fill: token(strong ? '--accent' : '--text'),
        bold: strong,
      }),
    ].join('');
  });
}

function rowNames({ lens, flipped, token }: FigureInput, top: number): string[] {
  return lens.meta.rows.map((name, row) =>
    written(rowLabel(name), MARGIN, top + displayed(lens, flipped, row) * ROW_HEIGHT + 16, {
      fill: token('--text-2'),
    }),
  );
}

function displayed(lens: Lens, flipped: boolean, row: number): number {
  return flipped ? row : lens.rows - 1 - row;
}

// ------------------------------------------------------------------ cells

function cells(
  { lens, painted, flipped, token }: FigureInput,
  cell: number,
  top: number,
): string[] {
  const parts: string[] = [];
  const gap = cell >= 10 ? 1 : 0;
  for (let row = 0; row < lens.rows; row++) {
    const y = top + displayed(lens, flipped, row) * ROW_HEIGHT;
    parts.push(...stripes(painted.colours, row, lens.columns, cell, y, gap));
    if (cell < TEXT_FROM_WIDTH) continue;
    for (let column = 0; column < lens.columns; column++) {
      const colour = painted.colours[row * lens.columns + column] ?? 0;
      const text = fitter.fit(painted.label(row, column), cell - 9, painted.numeric);
      const dark = colour !== 0 && wantsDarkText(colour);
      parts.push(
        written(text, MARGIN + GUTTER + column * cell + (painted.numeric ? cell - 5 : 4), y + 16, {
          fill: colour === 0 ? token('--text-2') : dark ? '#111110' : '#fbfbfa',
          ...(painted.numeric ? { anchor: 'end' } : {}),
        }),
      );
    }
  }
  return parts;
}

/** One rectangle for a stretch of cells of the same colour, where no gap parts them. */
function stripes(
  colours: Uint32Array,
  row: number,
  columns: number,
  cell: number,
  y: number,
  gap: number,
): string[] {
  const parts: string[] = [];
  for (let start = 0; start < columns;) {
    const colour = colours[row * columns + start] ?? 0;
    let end = start + 1;
    if (gap === 0) while (end < columns && colours[row * columns + end] === colour) end++;
    const x = MARGIN + GUTTER + start * cell;
    if (colour !== 0)
      parts.push(
        `<rect x="${x}" y="${y}" width="${(end - start) * cell - gap}" height="${ROW_HEIGHT - 1}" fill="${css(colour)}"/>`,
      );
    start = end;
  }
  return parts;
}

// ------------------------------------------------------------------ scale

function scale({ painted, theme, maps, token }: FigureInput, top: number): string[] {
  const { scale: shown } = painted;
  const lut = table(shown.kind, theme, maps);
  const left = MARGIN + GUTTER;
  const step = SCALE_WIDTH / SCALE_STEPS;
  const bars = Array.from({ length: SCALE_STEPS }, (_, at) => {
    const colour = css(lut[Math.round((at / (SCALE_STEPS - 1)) * 255)] ?? 0);
    return `<rect x="${left + at * step}" y="${top}" width="${step + 0.5}" height="8" fill="${colour}"/>`;
  });
  const places = [left, left + SCALE_WIDTH / 2, left + SCALE_WIDTH];
  const ticks = shown.ticks.map((tick, at) =>
    written(tick, places[at] ?? left, top + 21, {
      fill: token('--text-2'),
      anchor: ['start', 'middle', 'end'][at] ?? 'start',
    }),
  );
  const name = written(
    [shown.name, shown.note].filter(Boolean).join(', '),
    left + SCALE_WIDTH + 16,
    top + 8,
    {
      fill: token('--text'),
    },
  );
  return [...bars, ...ticks, name];
}

// ------------------------------------------------------------------ text

const fitter = new FitText(
  (text) =>
    [...text].reduce(
      (sum, character) => sum + ((character.codePointAt(0) ?? 0) > 0x2e7f ? WIDE : NARROW),
      0,
    ),
  `${FONT}px`,
);

interface TextStyle {
  fill: string;
  bold?: boolean;
  anchor?: string;
  size?: number;
}

function written(text: string, x: number, y: number, style: TextStyle): string {
  if (text === '') return '';
  const bold = style.bold ? ' font-weight="600"' : '';
  const anchor = style.anchor ? ` text-anchor="${style.anchor}"` : '';
  const size = style.size ? ` font-size="${style.size}"` : '';
  return `<text x="${x}" y="${y}" fill="${style.fill}"${bold}${anchor}${size}>${escape(text)}</text>`;
}

/** What XML cannot hold at all is left out; the rest is escaped. */
function escape(text: string): string {
  return (
    text
      .toWellFormed()
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
      .replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  );
}
