/** Two token columns in a box that scrolls: what is drawn, and what pointer and wheel do with it. */
import type { Point } from '../press';
import { keepInPlace } from '../zoom';
import { ColumnsPainter } from './columnsPaint';
import { Curves } from './curves';
import {
  clampHeight,
  fittingHeight,
  geometryOf,
  HEADER,
  middle,
  overviewHeight,
  type Geometry,
} from './geometry';
import { HeadMap } from './headMap';
import { hitColumns } from './hitColumns';
import { Pane } from './pane';
import { samePointed, type Focus, type PanelView, type Pointed } from './shown';

export interface PanelEvents {
  hover: (at: Pointed | null, place: DOMRect | null) => void;
  click: (at: Pointed | null) => void;
  moved: () => void;
  /** It was scrolled or zoomed by a person: the one beside it follows. */
  scrolled: () => void;
}

/** What panels of both sides share. */
export interface ColumnsPlace {
  scrollY: number;
  rowHeight: number;
  fitted: boolean;
}

const REST_MS = 140;
const STEP = 1.35;

export class ColumnsPanel {
  readonly pane: Pane;
  private readonly curves = new Curves();
  private readonly painter = new ColumnsPainter(
    this.curves,
    new HeadMap('query'),
    new HeadMap('key'),
  );
  private view: PanelView | null = null;
  private rowHeight = 0;
  /** The person has not zoomed: tokens are as high as reads well. */
  private fitted = true;
  private widest = 0;
  private measured: PanelView['pattern']['tokens'] | null = null;
  private hovered: Pointed | null = null;
  private moving = false;
  private rest: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly events: PanelEvents) {
    this.pane = new Pane('attention-columns', {
      draw: (context, ratio) => this.draw(context, ratio),
      resize: () => this.fit(),
      scroll: () => {
        this.hover(null);
        events.scrolled();
      },
      hover: (at) => this.hover(at),
      click: (at) => events.click(this.hit(at)),
      zoom: (factor, at) => this.zoomTo(this.rowHeight * factor, at.y),
      drag: () => events.moved(),
      double: () => this.zoom(0),
    });
  }

  show(view: PanelView): void {
    const before = this.view;
    this.view = view;
    if (before?.pattern.attention !== view.pattern.attention) this.fit();
    this.extend();
    // Other numbers of what is still pointed at.
    if (this.hovered && before && before.pattern !== view.pattern) this.tell(this.hovered);
    this.pane.ask();
  }

  get place(): ColumnsPlace {
    return { scrollY: this.pane.scroll.y, rowHeight: this.rowHeight, fitted: this.fitted };
  }

  follow({ scrollY, rowHeight, fitted }: ColumnsPlace): void {
    if (rowHeight !== this.rowHeight) this.resize(rowHeight);
    this.fitted = fitted;
    this.pane.scrollTo({ x: 0, y: scrollY });
  }

  /** +1 closer, −1 farther; 0: all of it, and back to what reads well. */
  zoom(step: 1 | -1 | 0): void {
    const { rows } = this.geometry() ?? { rows: 1 };
    if (step !== 0) return this.zoomTo(this.rowHeight * STEP ** step, this.chosenY());
    const readable = fittingHeight(rows, this.room);
    const whole = overviewHeight(rows, this.room);
    const to = this.fitted && whole < readable ? whole : readable;
    this.zoomTo(to, this.chosenY());
    this.fitted = to === readable;
  }

  reveal({ position }: Focus): void {
    const geometry = this.geometry();
    if (!geometry) return;
    const y = middle(geometry, position);
    const { y: top } = this.pane.scroll;
    const half = geometry.rowHeight / 2;
    if (y - half < top) this.pane.scrollTo({ x: 0, y: y - half });
    else if (y + half > top + this.room) this.pane.scrollTo({ x: 0, y: y + half - this.room });
  }

  /** Where a token is in the page. */
  placeOf({ side, position }: Focus): DOMRect | null {
    const geometry = this.geometry();
    if (!geometry) return null;
    const { from, to } = side === 'query' ? geometry.queries : geometry.keys;
    const top = HEADER + middle(geometry, position) - this.pane.scroll.y - geometry.rowHeight / 2;
    return this.pane.placed(from, top, to - from, geometry.rowHeight);
  }

  destroy(): void {
    clearTimeout(this.rest);
    this.pane.destroy();
  }

  // -------------------------------------------------------------- size

  private get room(): number {
    return Math.max(0, this.pane.height - HEADER);
  }

  private geometry(): Geometry | null {
    const { view, pane } = this;
    if (!view || pane.width <= 0) return null;
    return geometryOf(view.pattern, pane.width, this.rowHeight, this.widest);
  }

  private fit(): void {
    if (!this.view || this.pane.height <= 0) return;
    const { attention, sink } = this.view.pattern;
    if (this.fitted || this.rowHeight === 0)
      this.rowHeight = fittingHeight(attention.length + (sink ? 1 : 0), this.room);
    this.extend();
  }

  private extend(): void {
    const { attention, sink } = this.view?.pattern ?? { attention: { length: 0 }, sink: null };
    const height = HEADER + (attention.length + (sink ? 1 : 0)) * this.rowHeight;
    this.pane.extend(0, Math.ceil(height));
  }

  private chosenY(): number {
    const { view, pane } = this;
    const geometry = this.geometry();
    const chosen = view?.cursor ?? view?.lit;
    if (!geometry || !chosen) return pane.height / 2;
    const y = HEADER + middle(geometry, chosen.position) - pane.scroll.y;
    return y >= HEADER && y <= pane.height ? y : pane.height / 2;
  }

  /** What lies at a height of the window stays there. */
  private zoomTo(wanted: number, at: number): void {
    const before = this.rowHeight;
    const after = clampHeight(wanted);
    const y = Math.max(0, at - HEADER);
    const scroll = keepInPlace(this.pane.scroll.y, y, before, after);
    this.fitted = false;
    this.events.moved();
    this.resize(after);
    this.pane.scrollTo({ x: 0, y: scroll });
    this.events.scrolled();
  }

  private resize(rowHeight: number): void {
    this.rowHeight = rowHeight;
    this.extend();
    this.moving = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.moving = false;
      this.pane.ask();
    }, REST_MS);
    this.pane.ask();
  }

  // -------------------------------------------------------------- drawing

  private draw(context: CanvasRenderingContext2D, ratio: number): void {
    const { view, pane } = this;
    if (!view) return;
    if (this.measured !== view.pattern.tokens) {
      this.measured = view.pattern.tokens;
      this.widest = this.painter.widest(context, view);
    }
    const geometry = this.geometry();
    if (!geometry) return;
    const { moving } = this;
    this.painter.paint(context, {
      view,
      geometry,
      scrollY: pane.scroll.y,
      height: pane.height,
      ratio,
      moving,
    });
  }

  // -------------------------------------------------------------- pointer

  private hit(at: Point): Pointed | null {
    const geometry = this.geometry();
    if (!geometry || !this.view) return null;
    return hitColumns(
      this.view.pattern,
      geometry,
      this.pane.scroll.y,
      at,
      this.curves.shown.chosen,
    );
  }

  private hover(at: Point | null): void {
    const pointed = at && this.hit(at);
    if (samePointed(pointed, this.hovered)) return;
    this.hovered = pointed;
    this.pane.look(pointed ? 'pointer' : 'grab');
    if (pointed?.kind === 'pair' && at)
      this.events.hover(pointed, this.pane.placed(at.x - 4, at.y - 4, 8, 8));
    else this.tell(pointed);
  }

  private tell(pointed: Pointed | null): void {
    const place =
      pointed === null || pointed.kind === 'pair'
        ? null
        : pointed.kind === 'token'
          ? this.placeOf(pointed)
          : this.placeOfHead(pointed);
    if (pointed === null || place) this.events.hover(pointed, place);
  }

  private placeOfHead({ side, position }: Focus): DOMRect | null {
    const geometry = this.geometry();
    if (!geometry) return null;
    const { from, to } = side === 'query' ? geometry.left : geometry.right;
    const top =
      position < 0
        ? 0
        : HEADER + middle(geometry, position) - this.pane.scroll.y - geometry.rowHeight / 2;
    return this.pane.placed(from, top, to - from, position < 0 ? HEADER : geometry.rowHeight);
  }
}
