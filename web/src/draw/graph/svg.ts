/** An attribution graph as one SVG: all that is shown, with what it is of. */
import type { ColourMaps, Theme } from '../lut';
import type { Picture } from '../saving';
import { escaped, written, type Ink } from '../svgText';
import { shorten } from '../tokens';
import type { GraphData } from './data';
import { bends, GUTTER, isWide, layOut, type Layout, type Place } from './layout';
import { fillOf, percentOf } from './paint';
import {
  alphaOf,
  colourOf,
  isHollow,
  shapeOf,
  sizeOf,
  styleOf,
  widthOf,
  type GraphStyle,
} from './style';
import { shortName } from './text';

export interface GraphFigure {
  data: GraphData;
  /** First line: the prompt. */
  heading: string;
  /** Second line: what is explained, and how much of it. */
  note: string;
  /** Of tokens.css: "--ground" and its like, and the fonts. */
  token: Ink;
  theme: Theme;
  flipped?: boolean;
  maps?: ColourMaps;
}

const ROOM = { width: 1200, height: 620 };
const HEAD = 48;
const FOOT = 28;
const MARGIN = 16;
const LETTER = 6.1;
const MEANING =
  'blue adds to what it leads to, orange takes away; circles: latents, bright ones have much influence; hollow: what no latent explains; squares: tokens';

export function graphSvg(figure: GraphFigure): Picture {
  const { data, heading, note, token, theme, maps, flipped = false } = figure;
  const layout = layOut(data, ROOM, flipped);
  const style = styleOf(token, theme, maps);
  const width = Math.ceil(GUTTER.left + layout.width + MARGIN);
  const height = Math.ceil(HEAD + layout.height + GUTTER.tokens + FOOT);
  const letters = Math.floor((width - 2 * MARGIN) / 7);
  const top = HEAD + (flipped ? GUTTER.tokens : 0);
  const faint = { fill: style.text2 };
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${style.ground}"/>`,
    `<g font-family="${escaped(style.sans)}">`,
    written(shorten(heading.replaceAll('\n', '↵'), letters), MARGIN, 20, {
      fill: style.text,
      size: 13,
      bold: true,
    }),
    written(shorten(note, letters), MARGIN, 37, { ...faint, size: 11 }),
    written(MEANING, MARGIN, height - 10, { ...faint, size: 10 }),
    '</g>',
    `<g font-family="${escaped(style.mono)}">`,
    ...layout.rows.map(({ name, start, end }) =>
      end - start < 11
        ? ''
        : written(name, GUTTER.left - 5, top + (start + end) / 2 + 3.5, {
            ...faint,
            size: 10,
            anchor: 'end',
          }),
    ),
    ...tokensOf(layout, flipped ? HEAD + 15 : HEAD + layout.height + 15, style),
    `<g transform="translate(${GUTTER.left} ${top})">`,
    ...curvesOf(data, layout, style),
    ...[...layout.places.values()].map((place) => nodePart(place, style)),
    '</g></g></svg>',
  ];
  return { svg: parts.filter(Boolean).join('\n'), width, height };
}

function tokensOf(layout: Layout, y: number, style: GraphStyle): string[] {
  return layout.columns.map(({ name, start, end }) =>
    written(
      shorten(name, Math.floor((end - start - 2) / LETTER)),
      GUTTER.left + (start + end) / 2,
      y,
      {
        fill: style.text,
        size: 10,
        anchor: 'middle',
      },
    ),
  );
}

function curvesOf(data: GraphData, layout: Layout, style: GraphStyle): string[] {
  return layout.curves.map((curve) => {
    const size = sizeOf(data, curve.edge);
    const [c0, c1] = bends(curve).map(short);
    const [x0, y0, x1, y1] = [curve.x0, curve.y0, curve.x1, curve.y1].map(short);
    const look = `stroke="${colourOf(curve.edge, style)}" stroke-width="${short(widthOf(size))}" opacity="${short(alphaOf(size, data.edges.length))}"`;
    return `<path d="M${x0} ${y0}C${x0} ${c0} ${x1} ${c1} ${x1} ${y1}" fill="none" ${look}/>`;
  });
}

function nodePart(place: Place, style: GraphStyle): string {
  const { node } = place;
  const [x, y, r] = [place.x, place.y, place.radius].map(short) as [number, number, number];
  const half = isWide(node) ? short(place.room) : r;
  const look = `fill="${fillOf(node, style)}" stroke="${isHollow(node) ? style.text2 : style.lineStrong}"`;
  const title = `<title>${escaped([node.id, node.label].join(' ').trim())}</title>`;
  const shape = {
    circle: `<circle cx="${x}" cy="${y}" r="${r}" ${look}>${title}</circle>`,
    diamond: `<path d="M${x} ${short(y - r)}L${short(x + r)} ${y}L${x} ${short(y + r)}L${short(x - r)} ${y}Z" ${look}>${title}</path>`,
    square: `<rect x="${short(x - r)}" y="${short(y - r)}" width="${2 * r}" height="${2 * r}" ${look}>${title}</rect>`,
    box: `<rect x="${short(x - half)}" y="${short(y - r)}" width="${short(2 * half)}" height="${2 * r}" ${look}>${title}</rect>`,
  }[shapeOf(node)];
  return shape + words(place, half, style);
}

function words({ node, x, y, room }: Place, half: number, style: GraphStyle): string {
  if (isWide(node)) {
    const share = node.probability === null ? '' : ` ${percentOf(node.probability)}`;
    const letters = Math.floor((2 * half - 6) / LETTER) - share.length;
    return written(shorten(node.label, letters) + share, x, y + 3.5, {
      fill: style.text,
      size: 10,
      anchor: 'middle',
    });
  }
  const letters = Math.floor((room - half - 6) / LETTER);
  if (node.kind !== 'latent' || letters < 4) return '';
  return written(shorten(shortName(node), letters), x + half + 3, y + 3.5, {
    fill: style.text,
    size: 10,
    halo: style.ground,
  });
}

function short(value: number): number {
  return Math.round(value * 100) / 100;
}
