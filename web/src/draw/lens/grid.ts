/**
 * The lens grid in a box that scrolls: a canvas under fixed row labels, and, for assistive technology,
 * a grid of one cell that moves. It draws what it is shown and tells what a person does; where it is
 * scrolled to and how wide its cells are is kept by whoever shows it, since axes share both.
 */
import { isSubblock, parseRow, rowLabel } from '../../shared/text/address';
import { make } from '../dom';
import {
  cellAt,
  HeatGrid,
  type Cursor,
  type Frame,
  type HeatCells,
  type HeatStyle,
} from '../heatgrid';
import { listen, watchPresses, within, type Point } from '../press';
import { tickStep } from '../zoom';

/** Width of the row labels, px. */
export const GUTTER = 72;

export interface GridView {
  /** Of the model, bottom to top. */
  rowNames: readonly string[];
  /** In display order. */
  cells: HeatCells;
  /** Display order is that of `rowNames`. */
  flipped: boolean;
  cellWidth: number;
  rowHeight: number;
  scrollX: number;
  scrollY: number;
  /** The chosen cell, as displayed. */
  cursor: Cursor;
  /** What a screen reader says of it. */
  sentence: string;
}

/** Cells are counted as displayed. */
export interface GridEvents {
  scroll: (x: number, y: number) => void;
  /** What the wheel or two fingers zoom, around a point right of the row labels. */
  zoom: (factor: number, at: Point) => void;
  choose: (at: Cursor, how: 'pointer' | 'key') => void;
  /** With the cell's place in the page. */
  hover: (at: Cursor | null, place: DOMRect | null) => void;
  open: () => void;
  resize: (size: { width: number; height: number; scrollBar: number }) => void;
}

const WHEEL_MOST = 50;
const WHEEL_PER_PIXEL = 0.008;

export class LensGrid {
  private readonly canvas = make('canvas', { 'aria-hidden': 'true', 'data-testid': 'lens-canvas' });
  private readonly labels = make('div', {
    class: 'lens-labels',
    role: 'presentation',
    'aria-hidden': 'true',
  });
  private readonly space = make('div', { class: 'lens-space', role: 'presentation' });
  private readonly active = make('div', {
    role: 'gridcell',
    'aria-selected': 'true',
    'aria-live': 'polite',
    'data-testid': 'lens-cell',
  });
  private readonly activeRow = make('div', { role: 'row', class: 'visually-hidden' }, this.active);
  private readonly heat = new HeatGrid(this.canvas);
  private readonly stops: Array<() => void> = [];
  private view: GridView | null = null;
  private drawn: HeatCells | null = null;
  private named = '';
  private hovered: Cursor | null = null;
  private revealed = -1;
  private request = 0;
  private width = 0;
  private height = 0;

  /** `id`: of the cell that assistive technology sees; one in the page, or in its shadow tree. */
  constructor(
    readonly box: HTMLElement,
    private readonly events: GridEvents,
    id = 'lens-cell',
  ) {
    this.active.id = id;
    for (const [name, value] of Object.entries({
      role: 'grid',
      tabindex: '0',
      'aria-label': 'Logit lens: rows are layers, columns are tokens',
      'aria-activedescendant': id,
      'data-testid': 'lens-grid',
    }))
      box.setAttribute(name, value);
    box.classList.add('lens-grid');
    this.space.append(this.labels, this.canvas);
    box.append(this.space, this.activeRow);
    this.listen();
  }

  show(view: GridView): void {
    const before = this.view;
    this.view = view;
    const { rows, columns } = view.cells;
    this.box.setAttribute('aria-rowcount', String(rows));
    this.box.setAttribute('aria-colcount', String(columns));
    Object.assign(this.space.style, {
      width: `${GUTTER + columns * view.cellWidth}px`,
      height: `${rows * view.rowHeight}px`,
    });
    this.nameRows(view);
    this.activeRow.setAttribute('aria-rowindex', String(view.cursor.row + 1));
    this.active.setAttribute('aria-colindex', String(view.cursor.column + 1));
    if (before?.sentence !== view.sentence) this.active.textContent = view.sentence;
    if (Math.abs(this.box.scrollLeft - view.scrollX) > 1) this.box.scrollLeft = view.scrollX;
    if (Math.abs(this.box.scrollTop - view.scrollY) > 1) this.box.scrollTop = view.scrollY;
    this.reveal(view);
    this.draw();
  }

  /** Where a cell is in the page. */
  placeOf(at: Cursor): DOMRect {
    const { cellWidth, rowHeight } = this.view ?? { cellWidth: 0, rowHeight: 0 };
    const box = this.canvas.getBoundingClientRect();
    return new DOMRect(
      box.left + at.column * cellWidth - this.box.scrollLeft,
      box.top + at.row * rowHeight - this.box.scrollTop,
      cellWidth,
      rowHeight,
    );
  }

  destroy(): void {
    cancelAnimationFrame(this.request);
    for (const stop of this.stops) stop();
  }

  // -------------------------------------------------------------- drawing

  /** Once per frame, whatever changed in it. */
  private draw(): void {
    cancelAnimationFrame(this.request);
    this.request = requestAnimationFrame(() => {
      const { view } = this;
      if (!view) return;
      if (this.drawn !== view.cells) this.heat.setCells(view.cells);
      this.drawn = view.cells;
      const frame = this.frame(view);
      Object.assign(this.canvas.style, {
        width: `${frame.width}px`,
        height: `${frame.height}px`,
        left: `${GUTTER}px`,
      });
      this.heat.draw(frame, heatStyle(this.box), view.cursor, this.hovered);
    });
  }

  private frame({ cells, cellWidth, rowHeight }: GridView): Frame {
    return {
      cellWidth,
      rowHeight,
      scrollX: this.box.scrollLeft,
      scrollY: this.box.scrollTop,
      width: Math.max(0, this.width - GUTTER),
      height: Math.min(this.height, cells.rows * rowHeight),
      ratio: devicePixelRatio,
    };
  }

  /** Where rows are lower than a line of text, only some have their name, at even distances. */
  private nameRows({ rowNames, flipped, rowHeight, cursor }: GridView): void {
    const key = [rowNames.join(), flipped, rowHeight].join(' ');
    if (key !== this.named) {
      this.named = key;
      const names = flipped ? rowNames : rowNames.toReversed();
      const every = tickStep(rowHeight, 11);
      this.labels.replaceChildren(
        ...names.map((name, row) => {
          const count = flipped ? row : names.length - 1 - row;
          return this.rowName(name, row, count % every === 0 ? rowLabel(name) : '', rowHeight);
        }),
      );
    }
    for (const [row, label] of [...this.labels.children].entries())
      label.classList.toggle('chosen', row === cursor.row);
  }

  private rowName(name: string, row: number, words: string, height: number): HTMLElement {
    const place = parseRow(name);
    const made = make('button', { type: 'button', tabindex: '-1', title: name }, words);
    if (place && isSubblock(place)) made.className = 'sub';
    Object.assign(made.style, { height: `${height}px`, lineHeight: `${height}px` });
    made.addEventListener('click', () => {
      if (this.view) this.events.choose({ row, column: this.view.cursor.column }, 'pointer');
    });
    return made;
  }

  /** Keeps the chosen row in sight when another one is chosen: a zoom keeps its own place. */
  private reveal({ cursor, rowHeight }: GridView): void {
    if (this.revealed === cursor.row || this.height === 0) return;
    this.revealed = cursor.row;
    const top = cursor.row * rowHeight;
    const bottom = top + rowHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (bottom > this.box.scrollTop + this.height) this.box.scrollTop = bottom - this.height;
  }

  // -------------------------------------------------------------- what a person does

  private listen(): void {
    const { box, canvas, events } = this;
    const under = (at: Point): Cursor | null => {
      if (!this.view) return null;
      const { rows, columns } = this.view.cells;
      return cellAt(this.frame(this.view), rows, columns, at.x, at.y);
    };
    const observer = new ResizeObserver(() => {
      this.width = box.clientWidth;
      this.height = box.clientHeight;
      const scrollBar = box.offsetWidth - box.clientWidth;
      events.resize({ width: this.width, height: this.height, scrollBar });
      if (this.view) this.reveal(this.view);
      this.draw();
    });
    observer.observe(box);
    this.stops.push(
      () => observer.disconnect(),
      watchPresses(canvas, {
        click: (at) => {
          const cell = under(at);
          if (cell) events.choose(cell, 'pointer');
        },
        drag: (from, to) => box.scrollBy(from.x - to.x, from.y - to.y),
        pinch: (factor, at) => events.zoom(factor, at),
        hover: (at) => this.hover(at && under(at)),
        dragging: (on) => canvas.classList.toggle('dragging', on),
      }),
      listen(canvas, { dblclick: () => events.open() }),
      listen(box, {
        scroll: () => {
          this.hover(null);
          events.scroll(box.scrollLeft, box.scrollTop);
          this.draw();
        },
        keydown: (event) => this.onKey(event),
      }),
      zoomByWheel(box, events.zoom, GUTTER),
    );
  }

  private hover(at: Cursor | null): void {
    if (this.hovered?.row === at?.row && this.hovered?.column === at?.column) return;
    this.hovered = at;
    this.events.hover(at, at && this.placeOf(at));
    this.draw();
  }

  private onKey(event: KeyboardEvent): void {
    const { view } = this;
    if (!view || event.ctrlKey || event.metaKey || event.altKey) return;
    const { rows, columns } = view.cells;
    const step: Record<string, [down: number, right: number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      Home: [0, -columns],
      End: [0, columns],
      PageUp: [-rows, 0],
      PageDown: [rows, 0],
    };
    const move = step[event.key];
    if (!move) return;
    event.preventDefault();
    const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
    const row = clamp(view.cursor.row + move[0], rows);
    const column = clamp(view.cursor.column + move[1], columns);
    this.events.choose({ row, column }, 'key');
  }
}

/** With Ctrl or ⌘, and so by a pinch of a track pad. `indent`: px left of the first cell. */
export function zoomByWheel(
  element: HTMLElement,
  zoom: (factor: number, at: Point) => void,
  indent = 0,
): () => void {
  const onWheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const turned = Math.max(-WHEEL_MOST, Math.min(WHEEL_MOST, event.deltaY));
    const at = within(element, event);
    zoom(Math.exp(-turned * WHEEL_PER_PIXEL), { x: Math.max(0, at.x - indent), y: at.y });
  };
  // Else the browser would zoom the page.
  return listen(element, { wheel: onWheel }, { passive: false });
}

export function heatStyle(element: Element): HeatStyle {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    ground: read('--ground'),
    text: read('--text-2'),
    darkText: '#111110',
    lightText: '#fbfbfa',
    accent: read('--accent'),
    font: `11px ${read('--mono')}`,
  };
}
