/** Attention as a drawing of its own: columns or matrix, whose side, which head, its legend, its table. */
import { CARD_KEYS } from '../card';
import { button, choice, make } from '../dom';
import { Frame, type FrameOptions } from '../frame';
import { help } from '../help';
import type { ColourMaps, Theme } from '../lut';
import { attentionCard } from './card';
import type { Attention, Mode } from './data';
import { attentionOfJson, type AttentionJson } from './json';
import { ATTENTION_KEYS } from './keys';
import { attentionLegend } from './legend';
import { comparable } from './pattern';
import type { AttentionShown, Focus, Layout, Pointed } from './shown';
import { attentionSvg } from './svg';
import { attentionTableOf } from './tableOf';
import { attentionLines } from './text';
import { AttentionView } from './view';

export interface AttentionOptions extends FrameOptions {
  /** What the numbers are, in a sentence. */
  meaning: string;
  layout?: Layout;
  mode?: Mode;
  head?: string | null;
  /** In place of the maps of the theme. */
  maps?: ColourMaps;
  /** Second line of saved pictures. */
  model?: string;
}

export type Unmount = () => void;

const LAYOUTS = [
  ['columns', 'Columns'],
  ['matrix', 'Matrix'],
  ['both', 'Both'],
] as const;
const HINT =
  'Point at a token, a curve or a cell for its numbers; click a token to keep its pairs alone, a head ' +
  'of the maps to see it alone. Drag or scroll to move.';

const modesOf = ({ names }: Attention) =>
  [
    ['baseline', capital(names.baseline)],
    ['edited', capital(names.edited)],
    ['difference', 'Difference'],
    ['beside', 'Side by side'],
  ] as const;

export function mountAttention(
  element: HTMLElement,
  data: AttentionJson,
  options: AttentionOptions,
): Unmount {
  const view = new Drawing(element, attentionOfJson(data), options);
  return () => view.destroy();
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

class Drawing {
  private readonly frame: Frame;
  private readonly view: AttentionView;
  private readonly layouts = choice('How it is drawn', LAYOUTS, (layout) => this.set({ layout }));
  private readonly modes;
  private readonly heads: HTMLSelectElement | null;
  private readonly legend = make('div');
  private readonly box = make('div');
  private readonly table = make('div', { hidden: '' });
  private readonly toggle = button('Table', () => this.showTable(this.table.hidden));
  private layout: Layout;
  private mode: Mode;
  private head: string | null;
  private focus: Focus | null = null;

  constructor(
    element: HTMLElement,
    private readonly attention: Attention,
    private readonly options: AttentionOptions,
  ) {
    this.layout = options.layout ?? 'both';
    this.mode = options.mode ?? (attention.edited ? 'beside' : 'baseline');
    this.head = options.head ?? null;
    this.frame = new Frame(element, options);
    this.modes = choice(
      'Which side',
      modesOf(attention).filter(([mode]) => mode !== 'difference' || comparable(attention)),
      (mode) => this.set({ mode }),
    );
    this.heads = this.headsOf(attention);
    this.frame.bar.append(
      ...(attention.edited ? [this.modes.element] : []),
      this.layouts.element,
      ...(this.heads ? [this.heads] : []),
      this.zoomButtons(),
      this.toggle,
    );
    this.frame.body.append(
      this.box,
      this.table,
      this.legend,
      help(HINT, { ...CARD_KEYS, ...ATTENTION_KEYS }),
    );
    this.view = this.viewIn(this.box);
    this.frame.meaning.textContent = options.meaning;
    this.frame.start({
      paint: (theme) => this.paint(theme),
      picture: (theme, token) =>
        attentionSvg({
          shown: this.shown(theme),
          heading: options.title ?? '',
          model: options.model ?? '',
          token,
        }),
      lines: () => attentionLines(attention),
    });
  }

  destroy(): void {
    this.view.destroy();
    this.frame.destroy();
  }

  private viewIn(box: HTMLElement): AttentionView {
    return new AttentionView(box, {
      hover: (at, place) => this.say(at, place),
      focus: (focus) => this.set({ focus }),
      head: (name) => this.set({ head: this.head === name ? null : name }),
      moved: () => this.frame.card.drop(),
    });
  }

  /** One head at a time, where single heads are known. */
  private headsOf({ meta, baseline }: Attention): HTMLSelectElement | null {
    if (meta.heads.length < 2 || !baseline.values) return null;
    const all = `${meta.combine} of ${meta.heads.length} heads`;
    const made = make(
      'select',
      { 'aria-label': 'Which head' },
      make('option', { value: '' }, all),
      ...meta.heads.map((name) => make('option', { value: name }, name)),
    );
    made.addEventListener('change', () => this.set({ head: made.value || null }));
    return made;
  }

  private set(change: {
    layout?: Layout;
    mode?: Mode;
    head?: string | null;
    focus?: Focus | null;
  }): void {
    this.layout = change.layout ?? this.layout;
    this.mode = change.mode ?? this.mode;
    if (change.head !== undefined) this.head = change.head;
    if (change.focus !== undefined) this.focus = change.focus;
    this.paint(this.frame.theme);
  }

  private shown(theme: Theme): AttentionShown {
    const { attention, mode, layout, focus, head, options } = this;
    const { maps } = options;
    return { attention, mode, layout, theme, focus, head, ...(maps ? { maps } : {}) };
  }

  private paint(theme: Theme): void {
    const shown = this.shown(theme);
    this.view.show(shown);
    this.layouts.show(this.layout);
    this.modes.show(this.mode);
    if (this.heads) this.heads.value = this.head ?? '';
    this.legend.replaceChildren(attentionLegend(shown));
    if (!this.table.hidden) this.showTable(true);
  }

  private say(at: Pointed | null, place: DOMRect | null): void {
    const { card } = this.frame;
    if (!at || !place) return card.hide();
    const { left, top, right, bottom } = place;
    card.show(
      { left, top, right, bottom },
      attentionCard(this.attention, this.mode, at, this.head),
    );
  }

  private showTable(on: boolean): void {
    this.table.hidden = !on;
    this.box.hidden = on;
    this.toggle.setAttribute('aria-pressed', String(on));
    this.table.replaceChildren(
      ...(on ? [attentionTableOf(this.attention, this.mode, this.head)] : []),
    );
  }

  private zoomButtons(): HTMLElement {
    return make(
      'div',
      { class: 'segments', role: 'group', 'aria-label': 'Zoom' },
      button('−', () => this.view.zoom(-1), 'Smaller'),
      button('+', () => this.view.zoom(1), 'Larger'),
      button('fit', () => this.view.zoom(0), 'All tokens, or tokens that can be read'),
    );
  }
}
