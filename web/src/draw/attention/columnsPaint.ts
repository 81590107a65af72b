/** The window of two token columns: labels, the curves between them, a map of the heads on either side. */
import { FitText } from '../fitText';
import { count } from '../format';
import { tickStep } from '../zoom';
import { edgesAt, strokeEdges, strokeSinks, type Curves, inkOf } from './curves';
import { HEADER, LABEL_FROM_HEIGHT, middle, type Geometry } from './geometry';
import { headLabels, type HeadMap } from './headMap';
import { labelsOf, modeName, textStarts, valueAt } from './pattern';
import type { Focus, PanelView } from './shown';

export interface ColumnsFrame {
  view: PanelView;
  geometry: Geometry;
  scrollY: number;
  height: number;
  ratio: number;
  moving: boolean;
}

const FADED = 0.12;
const FADED_WHILE_LIT = 0.45;
const INDEX_ROOM = 30;
const PADDING = 6;
const NAME_FROM_WIDTH = 9;
const FONT = 11;

export class ColumnsPainter {
  private fitter: FitText | null = null;

  constructor(
    private readonly curves: Curves,
    private readonly left: HeadMap,
    private readonly right: HeadMap,
  ) {}

  paint(context: CanvasRenderingContext2D, frame: ColumnsFrame): void {
    const { view, geometry, height } = frame;
    this.left.set(view.pattern, view.lut, view.lit);
    this.right.set(view.pattern, view.lut, view.lit);
    context.save();
    context.beginPath();
    context.rect(0, HEADER, geometry.width, height - HEADER);
    context.clip();
    this.paintCurves(context, frame);
    this.paintMaps(context, frame);
    for (const side of ['query', 'key'] as const) this.paintLabels(context, frame, side);
    context.restore();
    this.paintHeader(context, frame);
  }

  /** The widest label of a prompt, px. */
  widest(context: CanvasRenderingContext2D, { pattern, inks }: PanelView): number {
    const text = this.fit(context, inks.mono);
    return labelsOf(pattern).reduce((most, label) => Math.max(most, text.width(label)), 0);
  }

  private fit(context: CanvasRenderingContext2D, mono: string): FitText {
    const font = `${FONT}px ${mono}`;
    context.font = font;
    if (this.fitter?.font !== font)
      this.fitter = new FitText((text) => context.measureText(text).width, font);
    return this.fitter;
  }

  // -------------------------------------------------------------- curves

  private paintCurves(context: CanvasRenderingContext2D, frame: ColumnsFrame): void {
    const { view, geometry, scrollY, height, ratio, moving } = frame;
    const { pattern, inks, lit, pointed } = view;
    const bottom = scrollY + height - HEADER;
    const pair = pointed?.kind === 'pair' ? pointed : null;
    context.save();
    context.translate(0, HEADER);
    context.globalAlpha = lit ? FADED : pair ? FADED_WHILE_LIT : 1;
    this.curves.draw(context, { pattern, geometry, inks, top: scrollY, bottom, ratio, moving });
    context.globalAlpha = 1;
    context.translate(geometry.curves.from, -scrollY);
    if (lit) {
      const at = lit.side === 'query' ? rowOf(view, lit.position) : lit.position;
      if (lit.side === 'query' ? at >= 0 : at < 0)
        strokeSinks(context, curvesOf(frame), lit.side === 'query' ? at : null);
      const chosen = edgesAt(pattern.edges, lit.side, at).slice(0, 500).toReversed();
      strokeEdges(context, pattern.edges, chosen, curvesOf(frame), { lit: true });
    }
    if (pair) strokePair(context, frame, pair.query, pair.key);
    context.restore();
  }

  // -------------------------------------------------------------- maps

  private paintMaps(context: CanvasRenderingContext2D, frame: ColumnsFrame): void {
    const { view, geometry, scrollY } = frame;
    const { map, left, right, rowHeight, offset } = geometry;
    const top = HEADER - scrollY + offset * rowHeight;
    this.left.draw(context, left.from, top, map, rowHeight, view.inks.sunken);
    this.right.draw(context, right.from, top, map, rowHeight, view.inks.sunken);
    const head = view.pointed?.kind === 'head' ? view.pointed.head : null;
    const at = head === null ? -1 : view.pattern.maps.heads.indexOf(head);
    if (at < 0) return;
    const cell = map / view.pattern.maps.heads.length;
    const end = Math.min(frame.height, top + view.pattern.attention.length * rowHeight);
    const start = Math.max(HEADER, top);
    context.strokeStyle = view.inks.accent;
    context.lineWidth = 1.5;
    for (const { from } of [left, right])
      context.strokeRect(from + at * cell + 0.5, start, Math.max(2, cell - 1), end - start);
  }

  // -------------------------------------------------------------- labels

  private paintLabels(
    context: CanvasRenderingContext2D,
    frame: ColumnsFrame,
    side: Focus['side'],
  ): void {
    const { view, geometry, scrollY, height } = frame;
    const { rowHeight, offset } = geometry;
    const { length } = view.pattern.tokens[side];
    const first = Math.max(-offset, Math.floor(scrollY / rowHeight) - offset);
    const rows = Math.ceil((height - HEADER) / rowHeight) + 1;
    const last = Math.min(length - 1, first + rows);
    const text = this.fit(context, view.inks.mono);
    context.textBaseline = 'middle';
    const step = tickStep(rowHeight, FONT + 1);
    for (let position = first; position <= last; position++) {
      if (position < 0) {
        if (side === 'key') this.paintSink(context, frame);
      } else if (rowHeight >= LABEL_FROM_HEIGHT) {
        paintBar(context, frame, side, position);
        this.paintToken(context, frame, side, position, text);
      } else if (position % step === 0) paintTick(context, frame, side, position);
    }
    paintTextStarts(context, frame, side);
    const strong = marked(view, side);
    if (strong !== null && strong >= 0 && rowHeight < LABEL_FROM_HEIGHT)
      this.paintToken(context, frame, side, strong, text);
  }

  private paintToken(
    context: CanvasRenderingContext2D,
    { view, geometry, scrollY }: ColumnsFrame,
    side: Focus['side'],
    position: number,
    text: FitText,
  ): void {
    const token = view.pattern.tokens[side][position];
    if (!token) return;
    const { inks } = view;
    const y = HEADER + middle(geometry, position) - scrollY;
    const strong = marked(view, side) === position;
    const { from, to } = side === 'query' ? geometry.queries : geometry.keys;
    const high = Math.max(geometry.rowHeight, FONT + 5);
    if (strong) {
      context.fillStyle = inks.accentGround;
      context.fillRect(from, y - high / 2, to - from, high);
      context.fillStyle = inks.accent;
      context.fillRect(side === 'query' ? to - 3 : from, y - high / 2, 3, high);
    }
    if (view.cursor?.side === side && view.cursor.position === position) {
      context.strokeStyle = inks.accent;
      context.lineWidth = 2;
      context.strokeRect(from + 1, y - high / 2 + 1, to - from - 2, high - 2);
    }
    const asked = side === 'key' || rowOf(view, position) >= 0;
    const room = to - from - INDEX_ROOM - 2 * PADDING;
    const shown = room > 12 ? text.fit(token.label, room, false) : '';
    context.font = `${strong ? 'bold ' : ''}${FONT}px ${inks.mono}`;
    context.globalAlpha = asked ? 1 : 0.4;
    context.fillStyle = token.special ? inks.text2 : inks.text;
    context.textAlign = side === 'query' ? 'right' : 'left';
    context.fillText(shown, side === 'query' ? to - PADDING : from + PADDING, y);
    context.font = `9px ${inks.mono}`;
    context.fillStyle = inks.text2;
    context.textAlign = side === 'query' ? 'left' : 'right';
    context.fillText(String(position), side === 'query' ? from + 2 : to - 2, y);
    context.globalAlpha = 1;
    context.textAlign = 'left';
  }

  private paintSink(
    context: CanvasRenderingContext2D,
    { view, geometry, scrollY }: ColumnsFrame,
  ): void {
    if (geometry.rowHeight < LABEL_FROM_HEIGHT) return;
    context.font = `italic ${FONT}px ${view.inks.sans}`;
    context.fillStyle = view.inks.text2;
    const y = HEADER + middle(geometry, -1) - scrollY;
    context.fillText('no token (sink)', geometry.keys.from + PADDING, y);
  }

  // -------------------------------------------------------------- header

  private paintHeader(context: CanvasRenderingContext2D, frame: ColumnsFrame): void {
    const { view, geometry } = frame;
    const { inks } = view;
    context.fillStyle = inks.line;
    context.fillRect(0, HEADER - 1, geometry.width, 1);
    context.textBaseline = 'middle';
    context.font = `${FONT}px ${inks.sans}`;
    context.fillStyle = inks.text2;
    context.textAlign = 'right';
    context.fillText('queries look', geometry.queries.to - PADDING, HEADER - 12);
    context.textAlign = 'left';
    context.fillText('at keys', geometry.keys.from + PADDING, HEADER - 12);
    this.paintSideName(context, frame);
    for (const from of [geometry.left.from, geometry.right.from])
      paintHeadNames(context, frame, from);
  }

  /** Between the columns: whose side it is, and how much of it is drawn. */
  private paintSideName(context: CanvasRenderingContext2D, { view, geometry }: ColumnsFrame): void {
    const { inks, mode, named, pattern } = view;
    const centre = (geometry.curves.from + geometry.curves.to) / 2;
    context.textAlign = 'center';
    if (named) {
      context.font = `600 ${FONT}px ${inks.sans}`;
      context.fillStyle = mode === 'edited' ? inks.edited : inks.baseline;
      context.fillText(modeName(pattern.attention, mode), centre, 12);
    }
    const { chosen, all } = this.curves.shown;
    if (chosen.length < all) {
      context.font = `10px ${inks.sans}`;
      context.fillStyle = inks.text2;
      const words = `${count(chosen.length, 'curve')} of ${all.toLocaleString('en')}`;
      context.fillText(words, centre, 27);
      context.fillText('in sight, the strongest', centre, 40);
    }
    context.textAlign = 'left';
  }
}

function curvesOf({ view, geometry }: ColumnsFrame) {
  return { pattern: view.pattern, geometry, inks: view.inks };
}

function rowOf({ pattern }: PanelView, position: number): number {
  return pattern.rowOf[position] ?? -1;
}

/** The token of a column that is lit, or an end of the pair that is pointed at; null: none. */
function marked({ lit, pointed }: PanelView, side: Focus['side']): number | null {
  if (pointed?.kind === 'pair') return pointed[side];
  return lit?.side === side ? lit.position : null;
}

/** Behind the labels across from the lit token: as long as its number for each of them. */
function paintBar(
  context: CanvasRenderingContext2D,
  { view, geometry, scrollY }: ColumnsFrame,
  side: Focus['side'],
  position: number,
): void {
  const { lit, pattern, inks } = view;
  if (!lit || lit.side === side) return;
  const [query, key] = side === 'key' ? [lit.position, position] : [position, lit.position];
  const value = valueAt(pattern, rowOf(view, query), key);
  if (!value) return;
  const { from, to } = side === 'query' ? geometry.queries : geometry.keys;
  const long = Math.min(1, Math.abs(value) / pattern.most) * (to - from);
  const y = HEADER + middle(geometry, position) - scrollY;
  const high = Math.max(1, geometry.rowHeight - 2);
  context.globalAlpha = 0.28;
  context.fillStyle = inkOf(value, pattern, inks, true);
  context.fillRect(side === 'query' ? to - long : from, y - high / 2, long, high);
  context.globalAlpha = 1;
}

/** A line above the first token of another text of a pair. */
function paintTextStarts(
  context: CanvasRenderingContext2D,
  { view, geometry, scrollY }: ColumnsFrame,
  side: Focus['side'],
): void {
  const { from, to } = side === 'query' ? geometry.queries : geometry.keys;
  context.fillStyle = view.inks.accent;
  for (const position of textStarts(view.pattern)) {
    const y = HEADER + middle(geometry, position) - geometry.rowHeight / 2 - scrollY;
    if (y > HEADER) context.fillRect(from, Math.round(y), to - from, 1);
  }
}

function paintTick(
  context: CanvasRenderingContext2D,
  { view, geometry, scrollY }: ColumnsFrame,
  side: Focus['side'],
  position: number,
): void {
  context.font = `9px ${view.inks.mono}`;
  context.fillStyle = view.inks.text2;
  context.textAlign = side === 'query' ? 'right' : 'left';
  const x = side === 'query' ? geometry.queries.to - PADDING : geometry.keys.from + PADDING;
  context.fillText(String(position), x, HEADER + middle(geometry, position) - scrollY);
  context.textAlign = 'left';
}

/** On end above their columns; where those are narrower than a letter, only the one pointed at. */
function paintHeadNames(
  context: CanvasRenderingContext2D,
  { view, geometry }: ColumnsFrame,
  from: number,
): void {
  const { heads } = view.pattern.maps;
  const labels = headLabels(heads);
  const cell = geometry.map / heads.length;
  const pointed = view.pointed?.kind === 'head' ? view.pointed.head : view.pattern.head;
  for (const [at, name] of heads.entries()) {
    const strong = name === pointed;
    if (cell < NAME_FROM_WIDTH && !strong) continue;
    context.save();
    context.translate(from + (at + 0.5) * cell, HEADER - 5);
    context.rotate(-Math.PI / 2);
    context.font = `${strong ? 'bold ' : ''}${cell < 12 ? 8 : 10}px ${view.inks.mono}`;
    context.fillStyle = strong ? view.inks.accent : view.inks.text2;
    context.fillText(labels[at] ?? name, 0, 0);
    context.restore();
  }
}

/** The pair under the pointer, whether or not it is kept. */
function strokePair(
  context: CanvasRenderingContext2D,
  frame: ColumnsFrame,
  query: number,
  key: number,
): void {
  const { view } = frame;
  const row = rowOf(view, query);
  if (row < 0) return;
  if (key < 0) return strokeSinks(context, curvesOf(frame), row);
  const value = valueAt(view.pattern, row, key);
  if (!value) return;
  const one = {
    rows: Uint32Array.of(row),
    keys: Uint32Array.of(key),
    values: Float32Array.of(value),
    all: 1,
  };
  strokeEdges(context, one, [0], curvesOf(frame), { lit: true });
}
