/** Tokens along one side of the lens, one over each column: what goes in, or what comes out. */
import { make, tokenOf } from '../dom';
import { listen, type Point } from '../press';
import { drawnTokens, LABEL_FROM_WIDTH } from '../strip';
import { watchWheel } from '../wheel';
import { GUTTER } from '../zoom';
import { outcome, type Lens, type LensSide } from './data';

export interface AxisView {
  lens: Lens;
  /** Whose outcomes. */
  side: LensSide;
  cellWidth: number;
  scrollX: number;
  /** Width of the grid's vertical scroll bar, px: both end together. */
  scrollBar: number;
  /** Of the window, px: what is drawn. */
  room: number;
  /** Position. */
  chosen: number | null;
}

/** Where the axis moves with the grid by itself, too. */
export interface AxisEvents {
  scroll: (x: number) => void;
  /** What the wheel zooms, around a point of the axis. */
  zoom: (factor: number, at: Point) => void;
}

const WORDS = {
  inputs: ['input', 'The tokens that went in, and their positions'],
  outcomes: [
    'final top',
    'What the whole model finds most likely to follow each token; ✓ where the text does go on like that',
  ],
} as const;
const GOES_ON = { true: ': as the text goes on', false: ': the text goes on otherwise', null: '' };

export class LensAxis {
  private readonly row = make('ul', { class: 'axis-row' });
  private readonly scroller = make('div', { class: 'axis-scroll' }, this.row);
  private readonly stops: Array<() => void> = [];

  constructor(
    readonly element: HTMLElement,
    private readonly what: 'inputs' | 'outcomes',
    events: AxisEvents | null = null,
  ) {
    const [words, title] = WORDS[what];
    element.classList.add('axis', what);
    element.dataset['testid'] = what;
    element.style.gridTemplateColumns = `${GUTTER}px 1fr`;
    element.append(make('span', { class: 'axis-head faint', title }, words), this.scroller);
    if (!events) return;
    const { scroller } = this;
    this.stops.push(
      listen(scroller, { scroll: () => events.scroll(scroller.scrollLeft) }),
      watchWheel(scroller, events.zoom, { along: true }),
    );
  }

  show(view: AxisView): void {
    const { lens, cellWidth, scrollX, scrollBar, room, chosen } = view;
    this.element.style.paddingRight = `${scrollBar}px`;
    this.row.style.width = `${lens.length * cellWidth}px`;
    const { tokens, ticks } = drawnTokens(lens.length, cellWidth, scrollX, room, chosen);
    const inputs = this.what === 'inputs';
    const shown = inputs || cellWidth >= LABEL_FROM_WIDTH ? tokens : [];
    const entries = shown.map((at) => this.entry(view, at));
    this.row.replaceChildren(
      ...entries.filter((entry) => entry !== null),
      ...(inputs ? ticks.map((at) => tick(view, at)) : []),
    );
    if (Math.abs(this.scroller.scrollLeft - scrollX) > 1) this.scroller.scrollLeft = scrollX;
  }

  destroy(): void {
    for (const stop of this.stops) stop();
    this.element.replaceChildren();
  }

  /** null: that position is not read. */
  private entry(view: AxisView, at: number): HTMLElement | null {
    const { lens, cellWidth, chosen } = view;
    const column = lens.columnOf[at] ?? -1;
    if (column < 0) return null;
    const made = make('li', { class: at === chosen ? 'axis-token chosen' : 'axis-token' });
    Object.assign(made.style, {
      left: `${at * cellWidth}px`,
      width: `${Math.max(LABEL_FROM_WIDTH, cellWidth - 1)}px`,
    });
    if (this.what === 'inputs') fillInput(made, view, column);
    else fillOutcome(made, view, column, at);
    return made;
  }
}

function fillInput(made: HTMLElement, { lens, cellWidth }: AxisView, column: number): void {
  const token = lens.meta.tokens[column];
  const index = String(lens.meta.positions[column]);
  if (cellWidth >= 2 * LABEL_FROM_WIDTH)
    made.append(make('span', { class: 'faint axis-index' }, index));
  if (token) made.append(tokenOf(token));
}

function fillOutcome(made: HTMLElement, { lens, side }: AxisView, column: number, at: number) {
  const { token, right, changed } = outcome(lens, side, column);
  made.dataset['testid'] = `outcome-${at}`;
  made.title = `${token.label}  after position ${at}${GOES_ON[`${right}`]}`;
  made.classList.toggle('changed', changed);
  if (right) made.append(make('span', { class: 'right-mark' }, '✓'));
  made.append(make('bdi', { class: token.special ? 'token special' : 'token' }, token.label));
}

function tick({ lens, cellWidth }: AxisView, at: number): HTMLElement {
  const column = lens.columnOf[at] ?? -1;
  const made = make('li', { class: 'axis-tick faint' }, String(lens.meta.positions[column] ?? at));
  made.style.left = `${at * cellWidth}px`;
  return made;
}
