/**
 * Attention in a box of the page: columns, matrix or both, of one side or of two next to each other.
 * For assistive technology it is a grid of one token at a time, which arrow keys move.
 */
import { make } from '../dom';
import { pressed } from '../keys';
import { listen } from '../press';
import { ColumnsPanel, type PanelEvents } from './columns';
import { ATTENTION_KEYS, TOKEN_STEPS } from './keys';
import { MatrixPanel } from './matrix';
import type { Attention, Mode } from './data';
import { panelModes, patternOf, type PanelMode } from './pattern';
import { lutOf } from './scale';
import {
  sameFocus,
  samePointed,
  type AttentionEvents,
  type AttentionShown,
  type Focus,
  type PanelView,
  type Pointed,
} from './shown';
import { InkReader } from './style';
import { attentionSentence } from './text';

export interface AttentionViewOptions {
  label?: string;
  /** Of what assistive technology reads; one in the page, or in its shadow tree. */
  id?: string;
}

/** What a sentence is of. */
type Spoken = readonly [Attention, Mode, string | null, Focus['side'], number];

const LABEL =
  'Attention: arrow keys go from token to token and between queries and keys, Enter keeps its pairs';
const NARROW = 760;
/** px of the box: at the least, around the tokens, and for each of them. */
const LOWEST = 240;
const EDGES = 108;
const TALLEST_ROW = 28;

export class AttentionView {
  private readonly panels = make('div', { class: 'att-panels', role: 'presentation' });
  private readonly active = make('div', {
    role: 'gridcell',
    'aria-live': 'polite',
    'data-testid': 'attention-cell',
  });
  private readonly activeRow = make('div', { role: 'row', class: 'visually-hidden' }, this.active);
  private readonly inks = new InkReader();
  private columns: ColumnsPanel[] = [];
  private matrices: MatrixPanel[] = [];
  private shown: AttentionShown | null = null;
  private arranged = '';
  private hovered: Pointed | null = null;
  private cursor: Focus = { side: 'query', position: -1 };
  private focused = false;
  private spoken: Spoken | null = null;
  private readonly stops: Array<() => void> = [];

  constructor(
    readonly box: HTMLElement,
    private readonly events: AttentionEvents,
    { label = LABEL, id = 'attention-cell' }: AttentionViewOptions = {},
  ) {
    this.active.id = id;
    for (const [name, value] of Object.entries({
      role: 'grid',
      tabindex: '0',
      'aria-label': label,
      'aria-activedescendant': id,
      'data-testid': 'attention-canvas',
    }))
      box.setAttribute(name, value);
    box.classList.add('att');
    box.append(this.panels, this.activeRow);
    const observer = new ResizeObserver(() => this.arrange());
    observer.observe(box);
    this.stops.push(
      () => observer.disconnect(),
      listen(box, {
        keydown: (event) => this.onKey(event),
        focus: () => this.keyboard(box.matches(':focus-visible')),
        blur: () => this.keyboard(false),
      }),
    );
  }

  show(shown: AttentionShown): void {
    const before = this.shown;
    this.shown = shown;
    const { length, baseline } = shown.attention;
    if (shown.focus && !sameFocus(before?.focus ?? null, shown.focus)) this.cursor = shown.focus;
    if (this.cursor.position < 0 || this.cursor.position >= this.lengthOf(this.cursor.side))
      this.cursor = { side: 'query', position: baseline.queries.at(-1) ?? 0 };
    // A short prompt leaves the page its room.
    this.box.style.maxHeight = `${Math.max(LOWEST, EDGES + length * TALLEST_ROW)}px`;
    this.arrange();
    this.draw();
  }

  /** +1 closer, −1 farther; 0: all of it, and back. */
  zoom(step: 1 | -1 | 0): void {
    this.columns[0]?.zoom(step);
    this.matrices[0]?.zoom(step);
  }

  destroy(): void {
    for (const stop of this.stops) stop();
    this.clear();
    this.panels.remove();
    this.activeRow.remove();
  }

  // -------------------------------------------------------------- panels

  /** Makes the panels anew where others are wanted. */
  private arrange(): void {
    const { shown, box } = this;
    if (!shown) return;
    const modes = panelModes(shown.attention, shown.mode);
    const both = shown.layout === 'both' && modes.length === 1;
    const columns = both || shown.layout !== 'matrix';
    const matrix = both || shown.layout === 'matrix';
    const narrow = box.clientWidth < NARROW;
    const wanted = [modes.length, columns, matrix].join();
    this.panels.dataset['layout'] = both ? (narrow ? 'below' : 'both') : 'even';
    if (wanted === this.arranged) return;
    this.clear();
    this.arranged = wanted;
    for (const at of modes.keys()) {
      if (columns) this.columns.push(new ColumnsPanel(this.eventsOf(() => this.follow(at))));
      if (matrix) this.matrices.push(new MatrixPanel(this.eventsOf(() => this.follow(at))));
    }
    for (const { pane } of [...this.columns, ...this.matrices]) this.panels.append(pane.box);
    this.draw();
  }

  private clear(): void {
    for (const panel of [...this.columns, ...this.matrices]) panel.destroy();
    this.columns = [];
    this.matrices = [];
    this.arranged = '';
  }

  private eventsOf(scrolled: () => void): PanelEvents {
    return {
      hover: (at, place) => this.hover(at, place),
      click: (at) => this.click(at),
      moved: () => this.events.moved(),
      scrolled,
    };
  }

  /** The other side's panel goes where this one went. */
  private follow(leader: number): void {
    const [columns, matrix] = [this.columns[leader]?.place, this.matrices[leader]?.place];
    for (const [at, panel] of this.columns.entries())
      if (at !== leader && columns) panel.follow(columns);
    for (const [at, panel] of this.matrices.entries())
      if (at !== leader && matrix) panel.follow(matrix);
  }

  private draw(): void {
    const { shown } = this;
    if (!shown) return;
    for (const [at, mode] of panelModes(shown.attention, shown.mode).entries()) {
      const view = this.viewOf(shown, mode);
      this.columns[at]?.show(view);
      this.matrices[at]?.show(view);
    }
    this.say();
  }

  /** What is hovered is shown as if it were chosen; a locked token wins over a hovered one. */
  private viewOf(shown: AttentionShown, mode: PanelMode): PanelView {
    const { attention, theme, maps, focus } = shown;
    const pattern = patternOf(attention, mode, this.headShown);
    const token = this.hovered?.kind === 'token' ? this.hovered : null;
    const matched = panelModes(attention, shown.mode).length > 1;
    return {
      pattern,
      mode,
      named: matched,
      inks: this.inks.of(this.box, theme),
      lut: lutOf(pattern.signed, theme, maps),
      lit: focus ?? token,
      pointed: this.hovered,
      cursor: this.focused ? this.cursor : null,
    };
  }

  private get headShown(): string | null {
    return this.hovered?.kind === 'head' ? this.hovered.head : (this.shown?.head ?? null);
  }

  // -------------------------------------------------------------- pointer

  private hover(at: Pointed | null, place: DOMRect | null): void {
    const same = samePointed(at, this.hovered);
    this.hovered = at;
    this.events.hover(at, place);
    if (!same) this.draw();
  }

  private click(at: Pointed | null): void {
    const { shown, events } = this;
    if (!shown) return;
    if (at?.kind === 'head') return events.head(at.head);
    if (at?.kind === 'pair' && events.pair && at.key >= 0) return events.pair(at.query, at.key);
    const token: Focus | null =
      at?.kind === 'pair'
        ? { side: 'query', position: at.query }
        : at && { side: at.side, position: at.position };
    if (token) this.cursor = token;
    events.focus(sameFocus(token, shown.focus) ? null : token);
  }

  // -------------------------------------------------------------- keyboard

  private keyboard(on: boolean): void {
    this.focused = on;
    if (!on && this.hovered) this.hover(null, null);
    this.draw();
  }

  private onKey(event: KeyboardEvent): void {
    const { shown } = this;
    const key = event.defaultPrevented ? null : pressed(ATTENTION_KEYS, event);
    if (key === null || !shown) return;
    if (key === 'leave') {
      if (!shown.focus && !this.hovered) return;
      this.hover(null, null);
      this.events.focus(null);
    } else if (key === 'open')
      this.events.focus(sameFocus(this.cursor, shown.focus) ? null : this.cursor);
    else if (key === 'step') this.zoom(event.key === '-' ? -1 : 1);
    else if (key === 'fit') this.zoom(0);
    else this.go(event.key);
    event.preventDefault();
  }

  private go(key: string): void {
    const side = key === 'ArrowLeft' ? 'query' : key === 'ArrowRight' ? 'key' : this.cursor.side;
    const wanted = this.cursor.position + (TOKEN_STEPS[key] ?? 0);
    const position = Math.max(0, Math.min(this.lengthOf(side) - 1, wanted));
    this.cursor = { side, position };
    this.focused = true;
    for (const panel of this.columns) panel.reveal(this.cursor);
    const at: Pointed = { kind: 'token', ...this.cursor };
    const place = this.columns[0]?.placeOf(this.cursor) ?? this.matrices[0]?.placeOf(at) ?? null;
    this.hover(at, place);
    this.draw();
  }

  private lengthOf(side: Focus['side']): number {
    const { baseline, edited } = this.shown?.attention ?? {};
    return Math.max(baseline?.tokens[side].length ?? 0, edited?.tokens[side].length ?? 0);
  }

  /** What a screen reader hears of where the keyboard is. */
  private say(): void {
    const { shown, cursor, box } = this;
    if (!shown) return;
    box.dataset['cursor'] = `${cursor.side} ${cursor.position}`;
    box.setAttribute('aria-rowcount', String(shown.attention.length));
    box.setAttribute('aria-colcount', '2');
    this.activeRow.setAttribute('aria-rowindex', String(cursor.position + 1));
    this.active.setAttribute('aria-colindex', cursor.side === 'query' ? '1' : '2');
    const { attention, mode } = shown;
    const of: Spoken = [attention, mode, this.headShown, cursor.side, cursor.position];
    if (of.every((one, at) => one === this.spoken?.[at])) return;
    this.spoken = of;
    const at: Pointed = { kind: 'token', ...cursor };
    this.active.textContent = attentionSentence(attention, mode, at, this.headShown);
  }
}
