/** The lens as a drawing of its own: kinds to choose from, axes, the grid, its legend, its table. */
import { CARD_KEYS, type CardContent } from '../card';
import { button, choice, make } from '../dom';
import { help } from '../help';
import { pressed, type Key } from '../keys';
import { Frame, type FrameOptions } from '../frame';
import type { Cursor, HeatCells } from '../heatgrid';
import { outcome, tokenLabel, type Lens } from './data';
import { LensAxis } from './axis';
import { lensCard } from './card';
import { displayCells, flipper } from './cells';
import { LensGrid, type GridEvents } from './grid';
import { GRID_KEYS, WIDTH_KEYS } from './keys';
import { lensOfJson, type LensJson } from './json';
import { colourBar } from '../legendBar';
import { lensTableOf } from './tableOf';
import { paintLens, type LensKind, type Painted } from './paint';
import { lensSvg } from './svg';
import { cellSentence, lensTable } from './text';
import type { ColourMaps, Theme } from '../lut';
import type { Point } from '../press';
import {
  fittingWidth,
  GUTTER,
  keepInPlace,
  overviewWidth,
  rowHeight,
  roundWidth,
  stepWidth,
} from '../zoom';

export interface LensOptions extends FrameOptions {
  /** What can colour the cells, with what it means; the first is shown first unless `kind` says. */
  kinds: ReadonlyArray<{ kind: LensKind; name: string; meaning: string }>;
  kind?: LensKind;
  /** What cells say; "auto": their token or their number, as suits the kind. */
  text?: LensText;
  topDown?: boolean;
  /** Entries of the vocabulary, as far as it is known. */
  vocabulary: number;
  /** In place of the maps of the theme. */
  maps?: ColourMaps;
  /** Second line of saved pictures: the model. */
  model?: string;
}

export type LensText = 'auto' | 'token' | 'value' | 'none';
export type Unmount = () => void;

const TEXTS = [
  ['token', 'token'],
  ['value', '0.12'],
  ['none', 'none'],
] as const;
const HINT = 'Point at a cell for its numbers; drag to move.';
/** Kinds whose cells name their token unless a person chooses. */
const NAMED: ReadonlySet<LensKind> = new Set<LensKind>(['top', 'probability', 'logit']);
/** Bound by the drawing, which keeps the width itself. */
const DRAWING_KEYS = {
  ...WIDTH_KEYS,
  leave: { on: ['Escape'], label: 'Esc', says: 'close the pop-up' },
} as const satisfies Record<string, Key>;
/** Of the window, for the grid. */
const SHARE = 0.7;
const LEAST_ROOM = 320;

export function mountLens(element: HTMLElement, data: LensJson, options: LensOptions): Unmount {
  const view = new LensDrawing(element, lensOfJson(data), options);
  return () => view.destroy();
}

class LensDrawing {
  private readonly frame: Frame;
  private readonly grid: LensGrid;
  private readonly inputs: LensAxis;
  private readonly outcomes: LensAxis;
  private readonly legend = make('div', { class: 'legend', 'data-testid': 'legend' });
  private readonly picture = make('div', { class: 'picture' });
  private readonly table = make('div', { hidden: '' });
  private readonly flip: (row: number) => number;
  private readonly flipped: boolean;
  private readonly kinds;
  private readonly texts = choice('What a cell says', TEXTS, (text) => this.set({ text }));
  private readonly toggle = button('Table', () => this.showTable(this.table.hidden));
  private kind: LensKind;
  private text: LensText;
  private painted: Painted | null = null;
  private cells: HeatCells | null = null;
  private cursor: Cursor;
  private width = 0;
  private scrollBar = 0;
  private cellWidth = 72;
  /** The person has not zoomed: cells follow the width of the window. */
  private fitted = true;
  private scroll: Point = { x: 0, y: 0 };

  constructor(
    element: HTMLElement,
    private readonly lens: Lens,
    private readonly options: LensOptions,
  ) {
    this.kind = options.kind ?? options.kinds[0]?.kind ?? 'probability';
    this.text = options.text ?? 'auto';
    this.flipped = options.topDown ?? false;
    this.flip = flipper(lens, this.flipped);
    this.cursor = { row: this.flip(lens.rows - 1), column: lens.length - 1 };
    this.frame = new Frame(element, options);
    this.kinds = choice(
      'What colours a cell',
      options.kinds.map(({ kind, name }) => [kind, name] as const),
      (kind) => this.set({ kind }),
    );
    this.inputs = new LensAxis(make('div'), 'inputs');
    this.outcomes = new LensAxis(make('div'), 'outcomes');
    const box = make('div');
    box.addEventListener('keydown', (event) => this.onKey(event));
    this.grid = this.gridIn(box);
    const [above, below] = this.flipped
      ? [this.inputs, this.outcomes]
      : [this.outcomes, this.inputs];
    this.picture.append(above.element, box, below.element);
    this.frame.bar.append(this.kinds.element, this.texts.element, this.zoomButtons(), this.toggle);
    this.frame.body.append(
      this.picture,
      this.table,
      this.legend,
      help(HINT, { ...CARD_KEYS, ...GRID_KEYS, ...DRAWING_KEYS }),
    );
    this.frame.start({
      paint: (theme) => this.paint(theme),
      picture: (theme, token) => this.svg(theme, token),
      lines: () => lensTable(lens),
    });
  }

  destroy(): void {
    this.grid.destroy();
    this.frame.destroy();
  }

  private gridIn(box: HTMLElement): LensGrid {
    const events: GridEvents = {
      scroll: (x, y) => {
        this.scroll = { x, y };
        this.frame.card.hide();
        this.showAxes();
      },
      zoom: (factor, at) => this.zoomTo(this.cellWidth * factor, at),
      choose: (at, how) => {
        this.cursor = at;
        this.show();
        this.reveal(at.column);
        this.say(at, how === 'key');
      },
      hover: (at) => this.say(at, false),
      open: () => this.zoomFit(),
      drag: () => this.frame.card.drop(),
      resize: ({ width, scrollBar }) => this.resize(width - GUTTER, scrollBar),
    };
    return new LensGrid(box, events, { wheel: 'page' });
  }

  // -------------------------------------------------------------- what is drawn

  private set(change: { kind?: LensKind; text?: LensText }): void {
    this.kind = change.kind ?? this.kind;
    this.text = change.text ?? this.text;
    this.paint(this.frame.theme);
  }

  private get writes(): Exclude<LensText, 'auto'> {
    if (this.text !== 'auto') return this.text;
    return NAMED.has(this.kind) ? 'token' : 'value';
  }

  private paint(theme: Theme): void {
    this.painted = this.paintedIn(theme);
    this.cells = displayCells(this.lens, this.painted, false, this.flipped);
    this.kinds.show(this.kind);
    this.texts.show(this.writes);
    const { meaning = '' } = this.options.kinds.find(({ kind }) => kind === this.kind) ?? {};
    this.frame.meaning.textContent = meaning;
    this.legend.replaceChildren(colourBar(this.painted.scale, theme, this.options.maps));
    if (!this.table.hidden) this.showTable(true);
    this.show();
  }

  private paintedIn(theme: Theme): Painted {
    const { vocabulary, maps } = this.options;
    const text = this.writes === 'value' ? 'value' : 'token';
    const painted = paintLens(
      this.lens,
      { kind: this.kind, text, clipped: false },
      'baseline',
      vocabulary,
      theme,
      maps,
    );
    return this.writes === 'none' ? { ...painted, label: () => '' } : painted;
  }

  private show(): void {
    if (!this.cells) return;
    const { lens, cursor } = this;
    this.grid.show({
      rowNames: lens.meta.rows,
      cells: this.cells,
      flipped: this.flipped,
      cellWidth: this.cellWidth,
      rowHeight: rowHeight(this.cellWidth, lens.rows, this.room()),
      scrollX: this.scroll.x,
      scrollY: this.scroll.y,
      cursor,
      sentence: cellSentence(lens, lens.baseline, this.flip(cursor.row), cursor.column),
    });
    this.grid.box.style.maxHeight = `${this.room()}px`;
    this.showAxes();
  }

  private showAxes(): void {
    const { lens, cellWidth, scrollBar, cursor } = this;
    for (const axis of [this.inputs, this.outcomes])
      axis.show({
        lens,
        side: lens.baseline,
        cellWidth,
        scrollX: this.scroll.x,
        scrollBar,
        room: this.width,
        chosen: cursor.column,
      });
  }

  private room(): number {
    return Math.max(LEAST_ROOM, Math.round(innerHeight * SHARE));
  }

  private svg(theme: Theme, token: (name: string) => string) {
    const { lens, options } = this;
    return lensSvg({
      lens,
      painted: this.paintedIn(theme),
      mode: 'baseline',
      flipped: this.flipped,
      heading: options.title ?? '',
      model: options.model ?? '',
      theme,
      token,
      ...(options.maps ? { maps: options.maps } : {}),
    });
  }

  private showTable(on: boolean): void {
    this.table.hidden = !on;
    this.picture.hidden = on;
    this.toggle.setAttribute('aria-pressed', String(on));
    this.table.replaceChildren(...(on ? [lensTableOf(this.lens, this.kind, this.flipped)] : []));
  }

  // -------------------------------------------------------------- the card

  private say(at: Cursor | null, atOnce: boolean): void {
    const column = at ? (this.lens.columnOf[at.column] ?? -1) : -1;
    if (!at || column < 0) return this.frame.card.hide();
    const { left, top, right, bottom } = this.grid.placeOf(at);
    this.frame.card.show({ left, top, right, bottom }, this.content(at.row, column), atOnce);
  }

  /** The tokens of a position stand beside what is read there. */
  private content(row: number, column: number): CardContent {
    const { lens } = this;
    const content = lensCard(lens, 'baseline', this.flip(row), column);
    const { token, right } = outcome(lens, lens.baseline, column);
    const also: Array<[string, string[]]> = [['final top', [`${token.label}${right ? ' ✓' : ''}`]]];
    if (right === false)
      also.push(['true next', [tokenLabel(lens, lens.baseline.nextIds[column]).label]]);
    return { ...content, sides: content.sides.map((side) => ({ ...side, also })) };
  }

  // -------------------------------------------------------------- zoom

  private zoomButtons(): HTMLElement {
    return make(
      'div',
      { class: 'segments', role: 'group', 'aria-label': 'Width of a token' },
      button('−', () => this.zoomTo(stepWidth(this.cellWidth, -1)), 'Narrower tokens'),
      button('+', () => this.zoomTo(stepWidth(this.cellWidth, 1)), 'Wider tokens'),
      button('fit', () => this.zoomFit(), 'The whole prompt, or cells that can be read'),
    );
  }

  private resize(width: number, scrollBar: number): void {
    if (width <= 0 || (width === this.width && scrollBar === this.scrollBar)) return;
    this.width = width;
    this.scrollBar = scrollBar;
    if (this.fitted) this.cellWidth = fittingWidth(this.lens.length, width);
    this.show();
  }

  /** What is under a point, or the chosen token, stays in place. */
  private zoomTo(wanted: number, at: Point | null = null): void {
    const after = roundWidth(wanted);
    const chosen = (this.cursor.column + 0.5) * this.cellWidth - this.scroll.x;
    const x = at?.x ?? (chosen >= 0 && chosen <= this.width ? chosen : this.width / 2);
    const most = Math.max(0, this.lens.length * after - this.width);
    this.scroll = {
      x: Math.min(most, keepInPlace(this.scroll.x, x, this.cellWidth, after)),
      y: this.scroll.y,
    };
    this.cellWidth = after;
    this.fitted = false;
    this.frame.card.drop();
    this.show();
  }

  /** From any width to the one that can be read, and from that to the whole prompt. */
  private zoomFit(): void {
    const readable = fittingWidth(this.lens.length, this.width);
    const whole = overviewWidth(this.lens.length, this.width);
    if (this.fitted && whole < readable) return this.zoomTo(whole);
    this.zoomTo(readable);
    this.fitted = true;
  }

  private onKey(event: KeyboardEvent): void {
    const name = pressed(DRAWING_KEYS, event);
    if (name === null) return;
    if (name === 'leave') this.frame.card.drop();
    else if (name === 'fit') this.zoomFit();
    else this.zoomTo(stepWidth(this.cellWidth, event.key === '-' ? -1 : 1));
    event.preventDefault();
  }

  private reveal(column: number): void {
    const left = column * this.cellWidth;
    const right = left + this.cellWidth;
    if (left < this.scroll.x) this.scroll.x = left;
    else if (right > this.scroll.x + this.width) this.scroll.x = right - this.width;
    else return;
    this.show();
  }
}
