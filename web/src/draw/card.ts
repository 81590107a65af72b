/** The pop-up beside what is pointed at: one that moves, frozen while Shift is held. */
import { button, make } from './dom';
import { logit, probability } from './format';
import type { Key } from './keys';

/** Bound by whoever shows the pop-up, on the whole page. */
export const CARD_KEYS = {
  freeze: { on: ['Shift'], label: 'Shift (hold)', says: 'freeze the pop-up under the pointer' },
} as const satisfies Record<string, Key>;

export interface CardToken {
  label: string;
  probability: number;
  /** Absent where vectors have no scale of their own: then the column is left out. */
  logit?: number;
  /** In place of the probability's own words, where the bar is of another number. */
  text?: string;
}

export interface CardSide {
  side: 'baseline' | 'edited';
  /** In place of that. */
  name?: string;
  /** Over the numbers of the list; absent: probability. */
  heading?: string;
  top: CardToken[];
  /** What is asked about, in the columns of the list, with its place. */
  score?: { label: string; probability: string; logit: string; rank: string } | null;
  /** What else it says, read another way: a line of tokens each. */
  also?: Array<[name: string, tokens: string[]]>;
  facts: Array<[name: string, value: string]>;
}

export interface CardContent {
  title: string;
  note?: string;
  sides: CardSide[];
  /** Keys that act on it, in words. */
  hint?: string;
  /** A button where it is frozen, and can be reached. */
  action?: { label: string; run: () => void };
}

export interface Anchor {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const SHOW_MS = 150;
const HIDE_MS = 80;
const GAP = 8;

export class Card {
  readonly element = make('div', { class: 'card', 'data-testid': 'card', 'aria-hidden': 'true' });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private frozen = false;
  private content: CardContent | null = null;

  constructor() {
    this.element.hidden = true;
    this.element.addEventListener('mouseleave', () => this.freeze(false));
  }

  get shown(): boolean {
    return !this.element.hidden;
  }

  /** After 150 ms; at once where the pop-up is already up and only moves, or where it must be. */
  show(anchor: Anchor, content: CardContent, atOnce = false): void {
    if (this.frozen) return;
    clearTimeout(this.timer);
    if (atOnce || this.shown) this.put(anchor, content);
    else this.timer = setTimeout(() => this.put(anchor, content), SHOW_MS);
  }

  hide(): void {
    if (this.frozen) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.clear(), HIDE_MS);
  }

  /** Whether or not it is frozen, at once. */
  drop(): void {
    this.freeze(false);
    clearTimeout(this.timer);
    this.clear();
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.element.remove();
  }

  /** Nothing moves or hides it until it is released; one that is not shown is not frozen. */
  freeze(frozen: boolean): void {
    const before = this.frozen;
    this.frozen = frozen && this.shown;
    if (before === this.frozen) return;
    this.element.classList.toggle('frozen', this.frozen);
    if (this.content) this.element.lastElementChild?.replaceWith(foot(this.content, this.frozen));
    if (!this.frozen) this.hide();
  }

  private clear(): void {
    this.element.hidden = true;
    this.element.replaceChildren();
    this.content = null;
  }

  private put(anchor: Anchor, content: CardContent): void {
    this.content = content;
    this.element.replaceChildren(...parts(content));
    this.element.hidden = false;
    const { left, top } = beside(anchor, this.element.getBoundingClientRect());
    Object.assign(this.element.style, { left: `${left}px`, top: `${top}px` });
  }
}

/** Right of the anchor where there is room, else left of it; always inside the window. */
function beside(
  anchor: Anchor,
  box: { width: number; height: number },
): { left: number; top: number } {
  const { clientWidth } = document.documentElement;
  const right = anchor.right + GAP;
  const left =
    right + box.width + GAP <= clientWidth ? right : Math.max(GAP, anchor.left - GAP - box.width);
  return { left, top: Math.max(GAP, Math.min(anchor.top, innerHeight - box.height - GAP)) };
}

// ------------------------------------------------------------------ what it holds

function parts(content: CardContent): HTMLElement[] {
  const { title, note, sides } = content;
  const both = sides.length > 1;
  return [
    make('p', { class: 'card-title' }, title),
    ...(note ? [make('p', { class: 'card-note' }, note)] : []),
    make('div', { class: 'card-sides' }, ...sides.map((side) => column(side, both))),
    foot(content, false),
  ];
}

function foot({ hint, action }: CardContent, frozen: boolean): HTMLElement {
  const words = frozen ? 'frozen' : hint ? `Shift freezes · ${hint}` : 'hold Shift to freeze';
  const made = make('p', { class: 'card-foot faint' });
  if (frozen && action) {
    const act = button(action.label, action.run);
    Object.assign(act, { className: 'tiny', tabIndex: -1 });
    made.append(act);
  }
  made.append(words);
  return made;
}

function column(side: CardSide, marked: boolean): HTMLElement {
  const logits = side.top.some((entry) => entry.logit !== undefined);
  return make(
    'div',
    { class: logits ? 'with-logits' : null },
    marked ? sideName(side) : null,
    side.top.length > 0 ? heads(side.heading ?? 'probability', logits) : null,
    make('ol', {}, ...side.top.map((entry) => line(entry, side.side, logits))),
    side.score ? scored(side.score, logits) : null,
    ...(side.also ?? []).map(([name, tokens]) => also(name, tokens)),
    make('dl', {}, ...side.facts.map(fact)),
  );
}

function sideName({ side, name }: CardSide): HTMLElement {
  if (name !== undefined) return make('p', { class: 'card-side' }, name);
  const mark = make('span', { class: `side-mark ${side}` }, side === 'baseline' ? 'B' : 'E');
  return make('p', { class: 'card-side' }, mark, ` ${side}`);
}

function heads(heading: string, logits: boolean): HTMLElement {
  const names = ['', '', heading, ...(logits ? ['logit'] : [])];
  return make('p', { class: 'card-line faint' }, ...names.map((name) => make('span', {}, name)));
}

function line(entry: CardToken, side: CardSide['side'], logits: boolean): HTMLElement {
  const bar = make('span', { class: `bar ${side}` }, make('span'));
  const share = Math.max(0, Math.min(1, entry.probability));
  (bar.firstElementChild as HTMLElement).style.width = `${share * 100}%`;
  return make(
    'li',
    { class: 'card-line' },
    make('bdi', { class: 'token' }, entry.label),
    bar,
    number(entry.text ?? probability(entry.probability)),
    logits ? number(logit(entry.logit ?? Number.NaN), 'faint') : null,
  );
}

function scored(score: NonNullable<CardSide['score']>, logits: boolean): HTMLElement {
  return make(
    'p',
    { class: 'card-line card-score' },
    make('bdi', { class: 'token' }, score.label),
    number(score.rank),
    number(score.probability),
    logits ? number(score.logit, 'faint') : null,
  );
}

function also(name: string, tokens: readonly string[]): HTMLElement {
  const shown = tokens.map((token) => make('bdi', { class: 'token' }, token));
  return make('p', { class: 'card-also' }, make('span', { class: 'faint' }, name), ...shown);
}

function fact([name, value]: readonly [string, string]): HTMLElement {
  return make('div', {}, make('dt', {}, name), make('dd', {}, value));
}

function number(text: string, more = ''): HTMLElement {
  return make('span', { class: `number ${more}` }, text);
}
