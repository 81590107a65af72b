/**
 * The lens grid in a box that scrolls: a canvas under fixed row labels, and, for assistive technology,
 * a grid of one cell that moves. It draws what it is shown and tells what a person does; where it is
 * scrolled to and how wide its cells are is kept by whoever shows it, since axes share both.
 */
import { isSubblock, parseRow, rowLabel } from '../residual';
import { make } from '../dom';
import {
  cellAt,
  HeatGrid,
  type Cursor,
  type Frame,
  type HeatCells,
  type HeatStyle,
} from '../heatgrid';
import { pressed } from '../keys';
import { listen, watchPresses, type Point } from '../press';
import { watchWheel } from '../wheel';
import { GUTTER, tickStep } from '../zoom';
import { GRID_KEYS, GRID_STEPS } from './keys';

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
  /** A drag begins: what is said of a cell no longer lies beside it. */
  drag: () => void;
  resize: (size: { width: number; height: number; scrollBar: number }) => void;
}

export interface GridOptions {
  /** Of the cell that assistive technology sees; one in the page, or in its shadow tree. */
  id?: string;
  /** Of what is drawn: "lens" names the grid of layers; of another one its test ids are made, too. */
  name?: string;
  /** What assistive technology says that it is. */
  label?: string;
  /** "along": a plain wheel goes along the tokens where all rows are in sight; "page": it is the page's. */
  wheel: 'along' | 'page';
}

const LABEL = 'Logit lens: rows are layers, columns are tokens';

export class LensGrid {
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
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

  constructor(
    readonly box: HTMLElement,
    private readonly events: GridEvents,
    private readonly options: GridOptions,
  ) {
    const { name: grid = 'lens', id = `${grid}-cell`, label = LABEL } = options;
    this.active.id = id;
    this.active.dataset['testid'] = `${grid}-cell`;
    this.canvas.dataset['testid'] = `${grid}-canvas`;
    for (const [name, value] of Object.entries({
      role: 'grid',
      tabindex: '0',
      'aria-label': label,
      'aria-activedescendant': id,
      'data-testid': `${grid}-grid`,
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
    this.scrollTo(view, before);
    this.reveal(view);
    // Other numbers of what is still pointed at: an edit was made, or the other run is shown.
    if (this.hovered && before && before.cells !== view.cells)
      this.events.hover(this.hovered, this.placeOf(this.hovered));
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
    this.space.remove();
    this.activeRow.remove();
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

  /** Only what is asked for anew: a person may have scrolled since, and has not been heard yet. */
  private scrollTo(view: GridView, before: GridView | null): void {
    if (before && scrollOf(before) === scrollOf(view)) return;
    const { scrollX, scrollY } = view;
    const { box } = this;
    if (Math.abs(box.scrollLeft - scrollX) > 1) box.scrollLeft = scrollX;
    if (Math.abs(box.scrollTop - scrollY) > 1) box.scrollTop = scrollY;
    // Lower rows cannot be scrolled as far.
    if (scrollY - box.scrollTop > 1) this.events.scroll(scrollX, box.scrollTop);
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
        dragging: (on) => {
          canvas.classList.toggle('dragging', on);
          if (on) events.drag();
        },
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
      watchWheel(box, events.zoom, { indent: GUTTER, along: this.options.wheel === 'along' }),
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
    const [down, right] = (pressed(GRID_KEYS, event) && GRID_STEPS[event.key]) ?? [0, 0];
    if (!view || (down === 0 && right === 0)) return;
    event.preventDefault();
    const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
    const row = clamp(view.cursor.row + down, view.cells.rows);
    const column = clamp(view.cursor.column + right, view.cells.columns);
    this.events.choose({ row, column }, 'key');
  }
}

/** Where it is to be scrolled to, and how far it can be: other cells may reach what those before did not. */
function scrollOf({ scrollX, scrollY, cellWidth, rowHeight, cells }: GridView): string {
  return [scrollX, scrollY, cellWidth * cells.columns, rowHeight * cells.rows].join();
}

function heatStyle(element: Element): HeatStyle {
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
