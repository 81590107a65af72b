/** The whole graph as one SVG, with its headings, its legend and what it is of: not only what the window shows. */
import { FitText } from '../fitText';
import type { Box, Moves, Ribbon } from './layout';
import type { Span } from './places';
import { traceBand, traceMiddle, type Pen } from './ribbon';
import {
  caption,
  isLit,
  labelOf,
  ribbonsInOrder,
  sceneOf,
  shownBoxes,
  type FlowDrawing,
  type Scene,
} from './scene';
import { legendParts, LEGEND_HEIGHT } from './svgLegend';
import { css, wantsDarkText } from '../lut';
import { escaped, written, type Ink } from '../svgText';
import { shorten } from '../tokens';

export interface Figure {
  svg: string;
  width: number;
  height: number;
}

export interface FlowFigureInput extends FlowDrawing {
  /** First line: the prompt. */
  heading: string;
  /** Second line: the model, the target, the run. */
  note: string;
  /** Of tokens.css: "--ground" and its like, and the fonts. */
  token: (name: string) => string;
  moves?: Moves;
}

const MARGIN = 16;
const HEAD = 48;
const AXIS = 36;
const FONT = 11;
/** Of a box's text, px a character: monospaced fonts differ little. */
const NARROW = 6.7;
const WIDE = 12;
const HAIRLINE = 0.9;
const PADDING = 4;
const SECOND_LINE_FROM = 27;
const DIMMED = 0.09;
const DIMMED_BOX = 0.2;

export function flowSvg(input: FlowFigureInput): Figure {
  const scene = sceneOf(input, input.moves);
  const { places } = scene;
  const width = Math.ceil(places.width) + 2 * MARGIN;
  const top = HEAD + AXIS;
  const height = Math.ceil(top + places.height + LEGEND_HEIGHT + MARGIN);
  const { token } = input;
  const legend = legendParts(scene, input.vocabSize, token);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${token('--ground')}"/>`,
    `<g font-family="${escaped(token('--sans'))}">${heading(input, width)}</g>`,
    `<g transform="translate(${MARGIN} ${HEAD})" font-family="${escaped(token('--sans'))}">`,
    ...headers(scene, token),
    '</g>',
    `<g transform="translate(${MARGIN} ${top})" font-family="${escaped(token('--mono'))}" font-size="${FONT}">`,
    ...ribbonsInOrder(scene).map((ribbon) => ribbonPart(scene, ribbon, token)),
    ...ghostParts(scene, token),
    ...shownBoxes(scene).map((box) => boxPart(scene, box, token)),
    '</g>',
    `<g transform="translate(${MARGIN} ${top + Math.ceil(places.height) + 20})" font-family="${escaped(token('--sans'))}" font-size="10">`,
    ...legend,
    '</g></svg>',
  ];
  return { svg: parts.filter(Boolean).join('\n'), width, height };
}

// ------------------------------------------------------------------ headings

function heading({ heading: words, note, token }: FlowFigureInput, width: number): string {
  const room = Math.floor((width - 2 * MARGIN) / 7);
  const first = shorten(words.replaceAll('\n', '↵'), room);
  return [
    written(first, MARGIN, 20, { fill: token('--text'), size: 13, bold: true }),
    written(shorten(note, room), MARGIN, 37, { fill: token('--text-2'), size: FONT }),
  ].join('');
}

function headers({ places }: Scene, token: Ink): string[] {
  const { layers, branches, columns } = places;
  const line = (span: Span) =>
    `<rect x="${span.left}" y="15" width="${span.right - span.left}" height="1" fill="${token('--line')}"/>`;
  return [
    ...[...layers, ...branches].map(line),
    ...layers.map(({ name, left }) =>
      written(name, left, 10, { fill: token('--text'), size: FONT, bold: true }),
    ),
    ...branches.map(({ name, left }) => {
      // In layers that share a stream with the one before, the branch begins where the layer does.
      const shift = layers.some((layer) => Math.abs(layer.left - left) < 60) ? 60 : 0;
      return written(name, left + shift, 10, { fill: token('--text-2'), size: FONT });
    }),
    ...columns.map(({ x, name }) => written(name, x, 28, { fill: token('--text-2'), size: 10 })),
  ];
}

// ------------------------------------------------------------------ ribbons

function ribbonPart(scene: Scene, ribbon: Ribbon, token: Ink): string {
  const { link } = ribbon;
  const { colour, alpha } = scene.colours.link(link);
  const cut = scene.cuts.has(link.id);
  const opacity = round((isLit(scene, link.id) ? 1 : DIMMED) * (cut ? 0.25 : alpha));
  const drawn =
    ribbon.thickness < HAIRLINE
      ? `<path d="${pathOf(ribbon, traceMiddle)}" fill="none" stroke="${colour}" stroke-width="${HAIRLINE}" opacity="${opacity}"/>`
      : `<path d="${pathOf(ribbon, traceBand)}" fill="${colour}" opacity="${opacity}"/>`;
  if (!cut) return drawn;
  return `${drawn}<path d="${pathOf(ribbon, traceMiddle)}" fill="none" stroke="${token('--edited')}" stroke-width="1.5" stroke-dasharray="5 4"/>`;
}

function pathOf(ribbon: Ribbon, trace: (pen: Pen, ribbon: Ribbon) => void): string {
  const parts: string[] = [];
  const put =
    (letter: string) =>
    (...numbers: number[]) =>
      void parts.push(letter + numbers.map(round).join(' '));
  const pen: Pen = {
    moveTo: put('M'),
    lineTo: put('L'),
    bezierCurveTo: put('C'),
    closePath: () => void parts.push('Z'),
  };
  trace(pen, ribbon);
  return parts.join('');
}

function ghostParts(scene: Scene, token: Ink): string[] {
  const { ghost } = scene;
  if (!ghost) return [];
  return ribbonsInOrder(scene).flatMap((ribbon) => {
    const before = ghost.ribbons.get(ribbon.link.id);
    if (!before || Math.abs(before.thickness - ribbon.thickness) < 1) return [];
    const path = pathOf({ ...ribbon, thickness: before.thickness }, traceBand);
    return [`<path d="${path}" fill="none" stroke="${token('--baseline')}" stroke-width="0.75"/>`];
  });
}

// ------------------------------------------------------------------ boxes

function boxPart(scene: Scene, box: Box, token: Ink): string {
  const { node } = box;
  const colour = scene.colours.node(node, scene.colourBy);
  const cut = scene.cuts.has(node.id);
  const edge = cut
    ? ` stroke="${token('--edited')}" stroke-width="1.5" stroke-dasharray="4 3"`
    : colour === null
      ? ` stroke="${token('--line-strong')}"`
      : '';
  const fill = colour === null ? token('--raised') : css(colour);
  const ink = colour === null ? token('--text') : wantsDarkText(colour) ? '#111110' : '#fbfbfa';
  const opacity = isLit(scene, node.id) ? '' : ` opacity="${DIMMED_BOX}"`;
  return [
    `<g${opacity}><title>${escaped(node.title)}</title>`,
    `<rect x="${round(box.x)}" y="${round(box.y)}" width="${box.width}" height="${round(box.height)}" rx="2" fill="${fill}"${edge}/>`,
    ...textParts(box, ink),
    node.kind === 'query' ? tag(box, token) : '',
    '</g>',
  ].join('');
}

function tag(box: Box, token: Ink): string {
  const y = box.y + box.height / 2 + 4;
  return written(caption(box.node), box.x - 4, y, {
    fill: token('--text-2'),
    anchor: 'end',
    size: 10,
    halo: token('--ground'),
  });
}

function textParts(box: Box, ink: string): string[] {
  const { node } = box;
  const small = caption(node);
  const main = labelOf(node) || small;
  const under = main === small || node.kind === 'query' ? '' : small;
  const room = box.width - 2 * PADDING;
  const middle = box.y + box.height / 2 + 4;
  const below = under !== '' && box.height >= SECOND_LINE_FROM;
  const x = box.x + PADDING;
  const first = written(fitter.fit(main, room, false), x, middle - (below ? 6 : 0), { fill: ink });
  if (under === '') return [first];
  if (below) {
    const shown = fitter.fit(under, room * 1.2, false);
    return [first, written(shown, x, middle + 6, { fill: ink, size: 9, faint: true })];
  }
  if (fitter.width(main) + 0.82 * fitter.width(under) + 6 > room) return [first];
  const end = { fill: ink, size: 9, anchor: 'end', faint: true };
  return [first, written(under, x + room, middle, end)];
}

const fitter = new FitText(
  (text) =>
    [...text].reduce(
      (sum, character) => sum + ((character.codePointAt(0) ?? 0) > 0x2e7f ? WIDE : NARROW),
      0,
    ),
  `${FONT}px`,
);

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
