/** The pattern as a matrix in a box that scrolls: what is drawn, and what pointer and wheel do with it. */
import type { Point } from '../press';
import { keepInPlace } from '../zoom';
import type { PanelEvents } from './columns';
import { columnsOf, columnX, MatrixPainter, SINK_GAP, type MatrixFrame } from './matrixPaint';
import { Pane } from './pane';
import { labelsOf } from './pattern';
import { samePointed, type PanelView, type Pointed } from './shown';

export interface MatrixPlace {
  scroll: Point;
  cell: number;
  fitted: boolean;
}

const CELLS = { least: 0.1, most: 48, comfortable: 28 };
const STEP = 1.35;
/** Of the labels: px. */
const EDGE = { least: 44, most: 96 };
const GLYPH = 6.2;

export class MatrixPanel {
  readonly pane: Pane;
  private readonly painter = new MatrixPainter();
  private view: PanelView | null = null;
  private cell = 0;
  private fitted = true;
  private hovered: Pointed | null = null;

  constructor(private readonly events: PanelEvents) {
    this.pane = new Pane('attention-matrix', {
      draw: (context) => this.draw(context),
      resize: () => this.fit(),
      scroll: () => {
        this.hover(null);
        events.scrolled();
      },
      hover: (at) => this.hover(at),
      click: (at) => events.click(this.hit(at)),
      zoom: (factor, at) => this.zoomTo(this.cell * factor, at),
      drag: () => events.moved(),
      double: () => this.zoom(0),
    });
  }

  show(view: PanelView): void {
    const before = this.view;
    this.view = view;
    if (before?.pattern.attention !== view.pattern.attention) this.fit();
    this.extend();
    if (this.hovered && before && before.pattern !== view.pattern) this.tell(this.hovered);
    this.pane.ask();
  }

  get place(): MatrixPlace {
    return { scroll: this.pane.scroll, cell: this.cell, fitted: this.fitted };
  }

  follow({ scroll, cell, fitted }: MatrixPlace): void {
    this.cell = cell;
    this.fitted = fitted;
    this.extend();
    this.pane.scrollTo(scroll);
    this.pane.ask();
  }

  /** +1 closer, −1 farther; 0: all of it. */
  zoom(step: 1 | -1 | 0): void {
    if (step === 0) {
      this.fitted = true;
      this.fit();
      this.events.scrolled();
      return;
    }
    const { width, height } = this.pane;
    this.zoomTo(this.cell * STEP ** step, { x: width / 2, y: height / 2 });
  }

  destroy(): void {
    this.pane.destroy();
  }

  // -------------------------------------------------------------- size

  /** Of the labels of rows and columns. */
  private get edge(): number {
    const labels = this.view ? labelsOf(this.view.pattern) : [];
    const longest = labels.reduce((most, { length }) => Math.max(most, length), 0);
    return Math.max(EDGE.least, Math.min(EDGE.most, longest * GLYPH + 10));
  }

  private fit(): void {
    const { view, pane } = this;
    if (!view || pane.width <= 0 || pane.height <= 0) return;
    if (this.fitted || this.cell === 0) {
      const { pattern } = view;
      const wide = (pane.width - this.edge - (pattern.sink ? SINK_GAP : 0)) / columnsOf(pattern);
      const high = (pane.height - this.edge) / Math.max(1, pattern.rows);
      this.cell = clamp(Math.min(CELLS.comfortable, wide, high));
    }
    this.extend();
    this.pane.ask();
  }

  private extend(): void {
    const { pattern } = this.view ?? {};
    if (!pattern) return;
    const { edge, cell } = this;
    this.pane.extend(
      Math.floor(edge + columnX(pattern, pattern.keys, cell)),
      Math.floor(edge + pattern.rows * cell),
    );
  }

  private zoomTo(wanted: number, at: Point): void {
    const before = this.cell;
    const after = clamp(wanted);
    const { scroll } = this.pane;
    const kept = (from: number, place: number) =>
      keepInPlace(from, Math.max(0, place - this.edge), before, after);
    this.cell = after;
    this.fitted = false;
    this.events.moved();
    this.extend();
    this.pane.scrollTo({ x: kept(scroll.x, at.x), y: kept(scroll.y, at.y) });
    this.pane.ask();
    this.events.scrolled();
  }

  // -------------------------------------------------------------- drawing

  private frame(view: PanelView): MatrixFrame {
    const { cell, edge, pane } = this;
    const { x, y } = pane.scroll;
    return {
      view,
      cell,
      edge,
      scrollX: x,
      scrollY: y,
      width: pane.width,
      height: pane.height,
    };
  }

  private draw(context: CanvasRenderingContext2D): void {
    if (this.view && this.cell > 0) this.painter.paint(context, this.frame(this.view));
  }

  // -------------------------------------------------------------- pointer

  private hit({ x, y }: Point): Pointed | null {
    const { view, cell, edge, pane } = this;
    if (!view || cell <= 0) return null;
    const { pattern } = view;
    const row = Math.floor((y - edge + pane.scroll.y) / cell);
    const query = pattern.queries[row];
    const right = x - edge + pane.scroll.x;
    const lead = pattern.sink ? 1 : 0;
    const inSink = lead === 1 && right >= 0 && right < cell;
    const key = inSink ? -1 : Math.floor((right - (lead ? SINK_GAP : 0)) / cell) - lead;
    const onRows = y >= edge && query !== undefined;
    const onKeys = x >= edge && (inSink || (key >= 0 && key < pattern.keys));
    if (onRows && onKeys) return { kind: 'pair', query, key };
    if (onRows && x < edge) return { kind: 'token', side: 'query', position: query };
    if (onKeys && y < edge) return { kind: 'token', side: 'key', position: key };
    return null;
  }

  private hover(at: Point | null): void {
    const pointed = at && this.hit(at);
    if (samePointed(pointed, this.hovered)) return;
    this.hovered = pointed;
    this.pane.look(pointed ? 'crosshair' : 'grab');
    this.tell(pointed);
  }

  private tell(pointed: Pointed | null): void {
    this.events.hover(pointed, pointed && this.placeOf(pointed));
  }

  placeOf(pointed: Pointed): DOMRect | null {
    const { view, cell, edge, pane } = this;
    if (!view || pointed.kind === 'head') return null;
    const { pattern } = view;
    const query = pointed.kind === 'pair' ? pointed.query : pointed.position;
    const key = pointed.kind === 'pair' ? pointed.key : pointed.position;
    const onRow = pointed.kind === 'pair' || pointed.side === 'query';
    const onKey = pointed.kind === 'pair' || pointed.side === 'key';
    const row = pattern.rowOf[query] ?? 0;
    const x = onKey ? edge + columnX(pattern, key, cell) - pane.scroll.x : 0;
    const y = onRow ? edge + row * cell - pane.scroll.y : 0;
    return pane.placed(x, y, onKey ? cell : edge, onRow ? cell : edge);
  }
}

function clamp(cell: number): number {
  return Math.max(CELLS.least, Math.min(CELLS.most, cell));
}
