/** What both drawings have around them: a shadow tree of their own, a bar, a theme, a card, what is printed. */
import { Card, CARD_KEYS } from './card';
import { button, make } from './dom';
import { pressed } from './keys';
import drawn from './draw.css?inline';
import page from './page.css?inline';
import type { Theme } from './lut';
import { csvFile, pngFile, saveFile, svgFile, type Picture } from './saving';
import { setTheme, surroundings, tokenReader, watchTheme } from './theme';

export interface FrameOptions {
  /** null: as the surroundings are. */
  theme?: Theme | null;
  /** Of saved files, without an ending. */
  file?: string;
  title?: string;
}

/** What a drawing gives its frame. */
export interface Drawing {
  /** Redraws all in a theme. */
  paint: (theme: Theme) => void;
  picture: (theme: Theme, token: (name: string) => string) => Picture;
  lines: () => ReadonlyArray<ReadonlyArray<string | number | null>>;
}

export class Frame {
  readonly root: ShadowRoot;
  readonly bar = make('div', { class: 'bar' });
  readonly meaning = make('p', { class: 'meaning', 'aria-live': 'polite' });
  readonly body = make('div', { class: 'body' });
  readonly card = new Card();
  theme: Theme;
  private readonly host = make('div', { class: 'unembed-drawing' });
  private readonly paper = make('div', { class: 'paper', 'aria-hidden': 'true' });
  private readonly note = make('p', { class: 'note', role: 'status' });
  private readonly stops: Array<() => void> = [];
  private drawing: Drawing | null = null;

  constructor(
    element: HTMLElement,
    private readonly options: FrameOptions,
  ) {
    this.theme = options.theme ?? surroundings();
    this.root = this.host.attachShadow({ mode: 'open' });
    this.root.append(
      make('style', {}, page, drawn),
      this.bar,
      this.meaning,
      this.body,
      this.note,
      this.paper,
      this.card.element,
    );
    setTheme(this.host, this.theme);
    element.append(this.host);
    this.freezeByKey();
    if (!options.theme) this.stops.push(watchTheme((theme) => this.use(theme)));
  }

  /** Once all is in place: draws, and offers files. */
  start(drawing: Drawing): void {
    this.drawing = drawing;
    const save = make('div', { class: 'save', role: 'group', 'aria-label': 'Save the drawing' });
    save.append(
      button('Save PNG', () => void this.savePng()),
      button('Save SVG', () => this.save('svg', svgFile(this.picture()))),
      button('Save CSV', () => this.save('csv', csvFile(drawing.lines()))),
    );
    this.bar.append(save);
    const print = new AbortController();
    addEventListener('beforeprint', () => this.layOnPaper(), { signal: print.signal });
    addEventListener('afterprint', () => this.paper.replaceChildren(), { signal: print.signal });
    this.stops.push(() => print.abort());
    drawing.paint(this.theme);
    this.host.dataset['drawn'] = 'yes';
  }

  destroy(): void {
    for (const stop of this.stops) stop();
    this.card.destroy();
    this.host.remove();
  }

  private freezeByKey(): void {
    const keys = new AbortController();
    const bound = { signal: keys.signal };
    addEventListener(
      'keydown',
      (event) => pressed(CARD_KEYS, event) && this.card.freeze(true),
      bound,
    );
    addEventListener('keyup', ({ key }) => key === 'Shift' && this.card.freeze(false), bound);
    addEventListener('blur', () => this.card.freeze(false), bound);
    this.stops.push(() => keys.abort());
  }

  private use(theme: Theme): void {
    if (theme === this.theme) return;
    this.theme = theme;
    setTheme(this.host, theme);
    this.drawing?.paint(theme);
  }

  private picture(theme: Theme = this.theme): Picture {
    if (!this.drawing) throw new Error('nothing is drawn yet');
    return this.drawing.picture(theme, tokenReader(theme));
  }

  private save(ending: string, file: Blob): void {
    saveFile(`${this.options.file ?? 'figure'}.${ending}`, file);
  }

  private async savePng(): Promise<void> {
    const file = await pngFile(this.picture());
    if (file) this.save('png', file);
    else this.note.textContent = 'The browser could not draw the picture: save it as SVG.';
  }

  /** The whole picture, dark on light, in place of the window that a person sees of it. */
  private layOnPaper(): void {
    const parsed = new DOMParser().parseFromString(this.picture('light').svg, 'image/svg+xml');
    const svg = document.importNode(parsed.documentElement, true);
    svg.removeAttribute('height');
    svg.setAttribute('width', '100%');
    this.paper.replaceChildren(svg);
  }
}
