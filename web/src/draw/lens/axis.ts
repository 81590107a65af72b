/** Tokens along one side of the lens, one over each column: what goes in, or what comes out. */
import { make, tokenOf } from '../dom';
import { outcome, type Lens } from './data';
import { GUTTER } from './grid';
import { drawnTokens, LABEL_FROM_WIDTH } from '../strip';

export class LensAxis {
  readonly element: HTMLElement;
  private readonly row = make('ul', { class: 'axis-row' });
  private readonly scroller = make('div', { class: 'axis-scroll' }, this.row);

  constructor(
    private readonly lens: Lens,
    private readonly what: 'inputs' | 'outcomes',
  ) {
    const words = { inputs: 'input', outcomes: 'final top' }[what];
    const title = {
      inputs: 'The tokens that went in, and their positions',
      outcomes:
        'What the whole model finds most likely to follow each token; ✓ where the text does go on like that',
    }[what];
    this.element = make(
      'div',
      { class: 'axis', 'data-testid': what },
      make('span', { class: 'axis-head faint', title }, words),
      this.scroller,
    );
    this.element.style.gridTemplateColumns = `${GUTTER}px 1fr`;
  }

  show(cellWidth: number, scrollX: number, room: number, chosen: number): void {
    const { length } = this.lens;
    this.row.style.width = `${length * cellWidth}px`;
    const { tokens, ticks } = drawnTokens(length, cellWidth, scrollX, room, chosen);
    const shown = this.what === 'inputs' || cellWidth >= LABEL_FROM_WIDTH ? tokens : [];
    this.row.replaceChildren(
      ...shown.map((at) => this.entry(at, cellWidth, at === chosen)),
      ...(this.what === 'inputs' ? ticks.map((at) => this.tick(at, cellWidth)) : []),
    );
    this.scroller.scrollLeft = scrollX;
  }

  private entry(at: number, cellWidth: number, chosen: boolean): HTMLElement {
    const column = this.lens.columnOf[at] ?? -1;
    const made = make('li', { class: chosen ? 'axis-token chosen' : 'axis-token' });
    Object.assign(made.style, {
      left: `${at * cellWidth}px`,
      width: `${Math.max(LABEL_FROM_WIDTH, cellWidth - 1)}px`,
    });
    if (column < 0) return made;
    if (this.what === 'inputs') {
      const token = this.lens.meta.tokens[column];
      if (cellWidth >= 2 * LABEL_FROM_WIDTH)
        made.append(
          make('span', { class: 'faint axis-index' }, String(this.lens.meta.positions[column])),
        );
      if (token) made.append(tokenOf(token));
      return made;
    }
    const { token, right } = outcome(this.lens, this.lens.baseline, column);
    if (right) {
      made.classList.add('right');
      made.append(make('span', { class: 'right-mark' }, '✓'));
    }
    made.append(tokenOf(token));
    return made;
  }

  private tick(at: number, cellWidth: number): HTMLElement {
    const column = this.lens.columnOf[at] ?? -1;
    const made = make('li', { class: 'axis-tick faint' }, String(this.lens.meta.positions[column]));
    made.style.left = `${at * cellWidth}px`;
    return made;
  }
}
