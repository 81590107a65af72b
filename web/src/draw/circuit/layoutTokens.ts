/**
 * Where the nodes of a circuit by position stand: tokens from left to right, layers from bottom to
 * top, heads of a layer side by side and its feed-forward above them. A token and a layer without a
 * node of the circuit are narrow. Pure numbers, px.
 */
import { shorten } from '../tokens';
import { isLabelled, positionOf, sideOf, withoutPosition, type CircuitData } from './data';
import {
  BOX_HEIGHT,
  HEADER,
  labelsOf,
  MARGIN,
  PORTS,
  type Bent,
  type Box,
  type Curve,
  type Layout,
} from './shapes';

const GUTTER = 40;
const BOX_WIDTH = 34;
const GAP = 4;
/** Of a box with what is said of its node below it. */
const LABELLED = 84;
/** Beside the boxes of a token: what long edges bend into. */
const ASIDE = 24;
/** How far long edges bend: past half a box. */
const BEND = 40;
/** That a token gets at most where there is room. */
const MORE = 40;
const LETTER = 6.7;
const LETTERS = 10;
const ROW = { least: 30, most: 56 };
const EMPTY = 8;

export function byToken(
  data: CircuitData,
  tokens: readonly string[],
  room: { width: number; height: number },
): Layout {
  const rows = rowsOf(data);
  const places = new Map(rows.map((row, at) => [row.name, at]));
  const cells = new Map<string, string[]>();
  for (const id of [...data.nodes].toSorted(byHead)) {
    const cell = `${places.get(rowOf(id))}@${positionOf(id)}`;
    cells.set(cell, [...(cells.get(cell) ?? []), id]);
  }
  const full = rows.filter(({ empty }) => !empty).length;
  const free = room.height - HEADER - 2 * MARGIN - EMPTY * (rows.length - full);
  const pitch = Math.max(ROW.least, Math.min(ROW.most, free / Math.max(1, full)));
  const slot = isLabelled(data) ? LABELLED : BOX_WIDTH + GAP;
  const columns = columnsOf(tokens, rows.length, cells, slot, room.width);
  const height = HEADER + 2 * MARGIN + pitch * full + EMPTY * (rows.length - full);
  const boxes = new Map<string, Box>();
  const names = [];
  let y = height - MARGIN;
  for (const [at, { name, empty }] of rows.entries()) {
    y -= empty ? EMPTY : pitch;
    if (!empty && !name.endsWith('.mlp'))
      names.push({ name: name.split('.')[0] ?? name, y: y + pitch / 2 });
    else if (!empty && rows[at - 1]?.empty)
      names.push({ name: name.split('.')[0] ?? name, y: y + pitch / 2 });
    for (const [position, column] of columns.entries())
      for (const [place, id] of (cells.get(`${at}@${position}`) ?? []).entries())
        boxes.set(id, {
          id,
          label: partOf(id),
          x: column.x + place * slot,
          y: y + (pitch - BOX_HEIGHT) / 2,
          width: BOX_WIDTH,
          height: BOX_HEIGHT,
        });
  }
  const last = columns.at(-1);
  return {
    boxes,
    curves: curvesOf(data, boxes),
    labels: labelsOf(data, boxes),
    within: withinHeads(data, boxes),
    columns: columns.map(({ x }, at) => ({ name: shorten(tokens[at] ?? '', LETTERS), x })),
    rows: names,
    width: Math.ceil((last ? last.x + last.width : GUTTER) + MARGIN),
    height: Math.ceil(height),
  };
}

/** From the bottom: the embedding, heads and feed-forward of every layer, the logits. */
function rowsOf(data: CircuitData): Array<{ name: string; empty: boolean }> {
  const there = new Set([...data.nodes].map(rowOf));
  const layers = data.heads.flatMap((_, layer) => [`L${layer}.heads`, `L${layer}.mlp`]);
  return ['embed', ...layers, 'logits'].map((name) => ({ name, empty: !there.has(name) }));
}

function rowOf(id: string): string {
  return withoutPosition(id).replace(/\.H\d+$/, '.heads');
}

function partOf(id: string): string {
  return withoutPosition(id).split('.').at(-1) ?? id;
}

function byHead(one: string, other: string): number {
  return Number(/\.H(\d+)/.exec(one)?.[1] ?? 0) - Number(/\.H(\d+)/.exec(other)?.[1] ?? 0);
}

function columnsOf(
  tokens: readonly string[],
  rows: number,
  cells: ReadonlyMap<string, readonly string[]>,
  slot: number,
  room: number,
): Array<{ x: number; width: number }> {
  const least = tokens.map((token, position) => {
    const counts = Array.from(
      { length: rows },
      (_, row) => cells.get(`${row}@${position}`)?.length ?? 0,
    );
    const most = Math.max(0, ...counts);
    const written = LETTER * Math.min(LETTERS, [...token].length) + 10;
    return Math.max(written, most === 0 ? 0 : most * slot + ASIDE);
  });
  const left = room - GUTTER - MARGIN - least.reduce((sum, width) => sum + width, 0);
  const more = Math.max(0, Math.min(MORE, left / Math.max(1, tokens.length)));
  let x = GUTTER;
  return least.map((width) => {
    const column = { x, width: width + more };
    x += column.width;
    return column;
  });
}

/** Upright, and the longer the further to the right, so that boxes between the ends stay clear. */
function curvesOf(data: CircuitData, boxes: ReadonlyMap<string, Box>): Curve[] {
  return data.edges.toReversed().flatMap((edge) => {
    const [from, to] = [boxes.get(edge.source), boxes.get(edge.reader)];
    if (!from || !to) return [];
    const [x0, y0] = [from.x + from.width / 2, from.y];
    const [x1, y1] = [to.x + to.width * (PORTS[sideOf(edge.target)] ?? 0.5), to.y + to.height];
    const reach = Math.max(8, (y0 - y1) / 2);
    const aside = Math.min(BEND, Math.max(0, (y0 - y1 - 30) / 2));
    const [bx0, bx1] = [x0 + aside, x1 + aside];
    return [{ edge, x0, y0, bx0, by0: y0 - reach, bx1, by1: y1 + reach, x1, y1 }];
  });
}

/** A head reads by its key and value at one position what it writes at later ones. */
function withinHeads(data: CircuitData, boxes: ReadonlyMap<string, Box>): Bent[] {
  const reads = new Set(
    data.edges
      .filter(({ target }) => 'kv'.includes(sideOf(target) || ' '))
      .map(({ reader }) => reader),
  );
  const writes = new Set(data.edges.map(({ source }) => source));
  return [...reads].flatMap((read) =>
    [...writes].flatMap((write) => {
      const [from, to] = [boxes.get(read), boxes.get(write)];
      if (!from || !to || withoutPosition(read) !== withoutPosition(write) || from.x >= to.x)
        return [];
      const [x0, x1, y] = [from.x + from.width, to.x, from.y + from.height / 2];
      return [{ x0, y0: y, bx0: x0 + 12, by0: y - 8, bx1: x1 - 12, by1: y - 8, x1, y1: y }];
    }),
  );
}
