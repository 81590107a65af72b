/** A circuit as one SVG: all of it, with what it is of. */
import type { CircuitData } from './data';
import { layOut } from './layout';
import { HEADER, LABEL, type Bent, type Box, type Layout } from './shapes';
import { DASH } from './paint';
import { alphaOf, colourOf, styleOf, widthOf, type CircuitStyle } from './style';
import type { Picture } from '../saving';
import { escaped, written, type Ink } from '../svgText';
import { shorten } from '../tokens';

export interface CircuitFigure {
  data: CircuitData;
  /** First line: the prompt. */
  heading: string;
  /** Second line: what is explained, and how much of it is kept. */
  note: string;
  /** Of tokens.css: "--ground" and its like, and the fonts. */
  token: Ink;
}

const ROOM = { width: 1200, height: 420 };
const HEAD = 48;
const FOOT = 28;
const MARGIN = 16;

export function circuitSvg({ data, heading, note, token }: CircuitFigure): Picture {
  const layout = layOut(data, ROOM);
  const style = styleOf(token);
  const boxes = [...layout.boxes.values()];
  const [width, height] = [layout.width, HEAD + layout.height + FOOT];
  const letters = Math.floor((width - 2 * MARGIN) / 7);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${style.ground}"/>`,
    `<g font-family="${escaped(token('--sans'))}">`,
    written(shorten(heading.replaceAll('\n', '↵'), letters), MARGIN, 20, {
      fill: style.text,
      size: 13,
      bold: true,
    }),
    written(shorten(note, letters), MARGIN, 37, { fill: style.text2, size: 11 }),
    written(
      'blue raises what is explained, orange lowers it; width: size of the effect',
      MARGIN,
      height - 10,
      {
        fill: style.text2,
        size: 10,
      },
    ),
    '</g>',
    `<g transform="translate(0 ${HEAD})" font-family="${escaped(style.mono)}">`,
    ...layout.columns.map(({ name, x }) =>
      written(name, x, HEADER / 2 + 6, { fill: style.text2, size: 11 }),
    ),
    ...layout.rows.map(({ name, y }) => written(name, 4, y + 4, { fill: style.text2, size: 11 })),
    ...boxes.filter(({ id }) => !data.nodes.has(id)).map((box) => boxPart(data, box, style)),
    ...layout.within.map(
      (bent) =>
        `<path d="${route(bent)}" fill="none" stroke="${style.text2}" stroke-dasharray="${DASH.join(' ')}"/>`,
    ),
    ...curves(data, layout, style),
    ...boxes.filter(({ id }) => data.nodes.has(id)).map((box) => boxPart(data, box, style)),
    '</g>',
    `<g transform="translate(0 ${HEAD})" font-family="${escaped(style.sans)}" stroke="${style.ground}" stroke-width="3" stroke-linejoin="round" paint-order="stroke">`,
    ...layout.labels.map(({ text, x, y }) =>
      written(text, x, y + 3, { fill: style.text, size: LABEL.size }),
    ),
    '</g></svg>',
  ];
  return { svg: parts.filter(Boolean).join('\n'), width, height };
}

function curves(data: CircuitData, layout: Layout, style: CircuitStyle): string[] {
  return layout.curves.map((curve) => {
    const { edge } = curve;
    const look = `stroke="${colourOf(edge, style)}" stroke-width="${short(widthOf(data, edge))}" opacity="${short(alphaOf(data, edge))}"`;
    return `<path d="${route(curve)}" fill="none" ${look}><title>${escaped(edge.id)}</title></path>`;
  });
}

function route({ x0, y0, bx0, by0, bx1, by1, x1, y1 }: Bent): string {
  const [a, b, ...rest] = [x0, y0, bx0, by0, bx1, by1, x1, y1].map(short);
  return `M${a} ${b}C${rest.join(' ')}`;
}

function boxPart(data: CircuitData, box: Box, style: CircuitStyle): string {
  const there = data.nodes.has(box.id);
  const place = `x="${short(box.x)}" y="${short(box.y)}" width="${short(box.width)}" height="${box.height}"`;
  const rect = `<rect ${place} fill="${there ? style.raised : 'none'}" stroke="${there ? style.lineStrong : style.line}"/>`;
  if (!there) return rect;
  return (
    rect +
    written(box.label, box.x + box.width / 2, box.y + box.height / 2 + 3.5, {
      fill: style.text,
      size: 10,
      anchor: 'middle',
    })
  );
}

function short(value: number): number {
  return Math.round(value * 100) / 100;
}
