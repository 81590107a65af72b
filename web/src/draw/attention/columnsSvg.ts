/** The two token columns in an SVG: curves, labels, a map of the heads on either side. */
import { written } from '../svgText';
import { css } from '../lut';
import { crowding, edgesAt, edgesBetween, inkOf } from './curves';
import { geometryOf, middle, trace, type Geometry, type Span } from './geometry';
import { headLabels, mapData } from './headMap';
import { labelsOf, modeName, textStarts, type Pattern } from './pattern';
import { colourOf, opacity, thickness } from './scale';
import { fitter, FONT, type Part, type Sheet } from './sheet';
import type { Focus } from './shown';

const NAMES = 56;
const WIDTH = 560;
const TALLEST_ROW = 18;
const TALLEST = 8000;
const INDEX_ROOM = 30;

export function columnsSvg(sheet: Sheet): Part {
  const { pattern, inks } = sheet;
  const rows = pattern.attention.length + (pattern.sink ? 1 : 0);
  const rowHeight = Math.max(2, Math.min(TALLEST_ROW, TALLEST / rows));
  const widest = Math.max(...labelsOf(pattern).map((label) => fitter.width(label)));
  const geometry = geometryOf(pattern, WIDTH, rowHeight, widest);
  const parts = [
    written('queries look', geometry.queries.to - 6, NAMES - 8, {
      fill: inks.text2,
      anchor: 'end',
      size: 10,
    }),
    written('at keys', geometry.keys.from + 6, NAMES - 8, { fill: inks.text2, size: 10 }),
    pattern.attention.edited
      ? written(
          modeName(pattern.attention, pattern.mode),
          (geometry.curves.from + geometry.curves.to) / 2,
          12,
          {
            fill: pattern.mode === 'edited' ? inks.edited : inks.baseline,
            anchor: 'middle',
            bold: true,
          },
        )
      : '',
    `<g transform="translate(0 ${NAMES})">`,
    ...curvesSvg(sheet, geometry),
    ...mapSvg(sheet, geometry, 'query'),
    ...mapSvg(sheet, geometry, 'key'),
    ...textStartsSvg(sheet, geometry),
    ...labelsSvg(sheet, geometry, 'query'),
    ...labelsSvg(sheet, geometry, 'key'),
    '</g>',
    ...headNames(sheet, geometry.left, geometry),
    ...headNames(sheet, geometry.right, geometry),
  ];
  return { svg: parts.join(''), width: WIDTH, height: NAMES + rows * rowHeight };
}

class PathText {
  text = '';
  moveTo(x: number, y: number): void {
    this.text += `M${round(x)} ${round(y)}`;
  }
  bezierCurveTo(...places: number[]): void {
    this.text += `C${places.map(round).join(' ')}`;
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function curve(
  { from, to }: Span,
  start: number,
  end: number,
  colour: string,
  wide: number,
  dark: number,
): string {
  const path = new PathText();
  trace(path, { from, to }, start, end);
  return `<path d="${path.text}" fill="none" stroke="${colour}" stroke-width="${wide.toFixed(2)}" opacity="${dark.toFixed(2)}"/>`;
}

/** Weakest first, so that the strongest lie on top; those of a token in focus over all others. */
function curvesSvg({ pattern, shown, inks }: Sheet, geometry: Geometry): string[] {
  const { edges, queries, sink, most } = pattern;
  const { focus } = shown;
  const lit = new Set(focus ? edgesAt(edges, focus.side, litAt(pattern, focus)) : []);
  const { chosen } = edgesBetween(pattern, geometry, -Infinity, Infinity);
  const drawn = (at: number, alone: boolean) => {
    const value = edges.values[at] ?? 0;
    const dark = alone
      ? Math.max(0.35, opacity(value, most))
      : opacity(value, most) * crowding(edges, at) * (focus ? 0.12 : 1);
    return curve(
      geometry.curves,
      middle(geometry, queries[edges.rows[at] ?? 0] ?? 0),
      middle(geometry, edges.keys[at] ?? 0),
      inkOf(value, pattern, inks, alone),
      thickness(value, most, geometry.rowHeight),
      dark,
    );
  };
  const sinks = [...(sink ?? [])].map((value, row) =>
    value === 0
      ? ''
      : curve(
          geometry.curves,
          middle(geometry, queries[row] ?? 0),
          middle(geometry, -1),
          inks.sink,
          thickness(value, most, geometry.rowHeight),
          opacity(value, most) * (focus ? 0.12 : 1),
        ),
  );
  return [
    ...sinks,
    ...chosen.toReversed().map((at) => (lit.has(at) ? '' : drawn(at, false))),
    ...[...lit].toReversed().map((at) => drawn(at, true)),
  ];
}

function litAt({ rowOf }: Pattern, { side, position }: Focus): number {
  return side === 'query' ? (rowOf[position] ?? -1) : position;
}

function labelsSvg({ pattern, shown, inks }: Sheet, geometry: Geometry, side: Focus['side']) {
  const { rowHeight } = geometry;
  const { from, to } = side === 'query' ? geometry.queries : geometry.keys;
  const anchor = side === 'query' ? 'end' : 'start';
  const x = side === 'query' ? to - 6 : from + 6;
  const size = Math.min(FONT, rowHeight * 0.8);
  if (size < 3) return [];
  const sink =
    side === 'key' && pattern.sink
      ? [written('no token (sink)', x, middle(geometry, -1) + 4, { fill: inks.text2, size })]
      : [];
  const room = (to - from - INDEX_ROOM) * (FONT / size);
  const labels = pattern.tokens[side].map((token, position) => {
    const y = middle(geometry, position) + size * 0.36;
    const bold = shown.focus?.side === side && shown.focus.position === position;
    const fill = bold ? inks.accent : token.special ? inks.text2 : inks.text;
    const index = written(String(position), side === 'query' ? from + 2 : to - 2, y, {
      fill: inks.text2,
      size: Math.min(9, size),
      anchor: side === 'query' ? 'start' : 'end',
    });
    return (
      written(fitter.fit(token.label, room, false), x, y, { fill, bold, anchor, size }) + index
    );
  });
  return [...sink, ...labels];
}

/** A line above the first token of another text of a pair. */
function textStartsSvg({ pattern, inks }: Sheet, geometry: Geometry): string[] {
  return textStarts(pattern).flatMap((position) => {
    const y = round(middle(geometry, position) - geometry.rowHeight / 2);
    return [geometry.queries, geometry.keys].map(
      ({ from, to }) => `<path d="M${from} ${y}H${to}" stroke="${inks.accent}"/>`,
    );
  });
}

function mapSvg({ pattern, shown, lut }: Sheet, geometry: Geometry, side: Focus['side']) {
  const { values, places, most, flat } = mapData(pattern, side, shown.focus);
  if (flat) return [];
  const { heads } = pattern.maps;
  const cell = geometry.map / heads.length;
  const { from } = side === 'query' ? geometry.left : geometry.right;
  const parts: string[] = [];
  for (let place = 0; place < places; place++) {
    const position = side === 'query' ? (pattern.queries[place] ?? 0) : place;
    const y = middle(geometry, position) - geometry.rowHeight / 2;
    for (let head = 0; head < heads.length; head++) {
      const colour = colourOf(values[head * places + place] ?? 0, most, pattern.signed, lut);
      if (colour !== 0)
        parts.push(
          `<rect x="${round(from + head * cell)}" y="${round(y)}" width="${round(cell)}" height="${round(geometry.rowHeight)}" fill="${css(colour)}"/>`,
        );
    }
  }
  return parts;
}

function headNames({ pattern, inks }: Sheet, { from }: Span, geometry: Geometry): string[] {
  const { heads } = pattern.maps;
  const cell = geometry.map / heads.length;
  if (cell < 8) return [];
  const labels = headLabels(heads);
  return heads.map((name, at) => {
    const x = from + (at + 0.5) * cell + 3;
    const strong = name === pattern.head;
    const words = written(labels[at] ?? name, 0, 0, {
      fill: strong ? inks.accent : inks.text2,
      bold: strong,
      size: cell < 12 ? 8 : 10,
    });
    return `<g transform="translate(${round(x)} ${NAMES - 4}) rotate(-90)">${words}</g>`;
  });
}
