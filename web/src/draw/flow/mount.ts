/** The flow graph as a drawing of its own: what colours its boxes, the graph, its legend, its tables. */
import { CARD_KEYS } from '../card';
import { button, choice, make } from '../dom';
import { Frame, type FrameOptions } from '../frame';
import { help } from '../help';
import type { Key } from '../keys';
import type { Theme } from '../lut';
import type { Point } from '../press';
import { flowCard } from './card';
import type { ColourBy, PaletteChoice } from './colours';
import { flowTableOf } from './tableOf';
import type { Flow } from './data';
import { FlowGraphView } from './graph';
import { GROUPS, hiddenKinds, type Group } from './groups';
import { flowOfJson, type FlowJson } from './json';
import { GRAPH_KEYS } from './keys';
import { FlowLegend } from './legend';
import type { FlowDrawing } from './scene';
import { flowSvg } from './svg';
import { figureNote, flowTable } from './text';

export interface FlowOptions extends FrameOptions {
  /** What can colour the boxes, with what it means. */
  colourings: ReadonlyArray<{ by: ColourBy; name: string; meaning: string }>;
  colourBy?: ColourBy;
  palette?: PaletteChoice;
  model?: string;
}

export type Unmount = () => void;

const NONE: ReadonlySet<string> = new Set();
const HINT =
  'Point at a box or a band for its numbers; click for the paths through it. ' +
  'Drag a box to move it, the ground to pan; click the graph, then the wheel zooms.';
/** Those of the graph, but nothing is cut, opened or done from a menu. */
const { cut: _cut, menu: _menu, ...SHOWN_KEYS } = GRAPH_KEYS;
const KEYS: Readonly<Record<string, Key>> = {
  ...CARD_KEYS,
  ...SHOWN_KEYS,
  open: { ...GRAPH_KEYS.open, says: 'in the graph: light its paths' },
};
const LABEL = 'Flow of information: arrow keys go from node to node, Enter shows its paths';

export function mountFlow(element: HTMLElement, data: FlowJson, options: FlowOptions): Unmount {
  const view = new Drawing(element, flowOfJson(data), data.vocab_size, options);
  return () => view.destroy();
}

class Drawing {
  private readonly frame: Frame;
  private readonly view: FlowGraphView;
  private readonly colourings;
  private readonly legend = new FlowLegend(make('div'), (group) => this.toggleGroup(group));
  private readonly picture = make('div', { class: 'picture' });
  private readonly table = make('div', { hidden: '' });
  private readonly toggle = button('Table', () => this.showTable(this.table.hidden));
  private colourBy: ColourBy;
  private focus: string | null = null;
  private hidden: readonly Group[] = [];

  constructor(
    element: HTMLElement,
    private readonly graph: Flow,
    private readonly vocabulary: number,
    private readonly options: FlowOptions,
  ) {
    this.colourBy = options.colourBy ?? 'rank';
    this.frame = new Frame(element, options);
    this.colourings = choice(
      'What colours the boxes',
      options.colourings.map(({ by, name }) => [by, name] as const),
      (by) => {
        this.colourBy = by;
        this.paint(this.frame.theme);
      },
    );
    const box = make('div');
    this.picture.append(box);
    this.frame.bar.append(this.colourings.element, this.zoomButtons(), this.toggle);
    this.frame.body.append(this.picture, this.table, this.legend.element, help(HINT, KEYS));
    this.view = new FlowGraphView(
      box,
      {
        hover: (id, at) => this.say(id, at),
        focus: (id) => this.set({ focus: id }),
      },
      { label: LABEL, wheel: 'focused' },
    );
    this.frame.start({
      paint: (theme) => this.paint(theme),
      picture: (theme, token) =>
        flowSvg({
          ...this.drawing(theme),
          heading: options.title ?? '',
          note: figureNote(graph, options.model ?? '', 'baseline'),
          token,
        }),
      lines: () => flowTable(graph),
    });
  }

  destroy(): void {
    this.view.destroy();
    this.frame.destroy();
  }

  private drawing(theme: Theme): FlowDrawing {
    return {
      flow: this.graph.baseline,
      other: null,
      mode: 'baseline',
      colourBy: this.colourBy,
      palette: this.options.palette ?? 'unembed',
      theme,
      hidden: hiddenKinds(this.hidden),
      focus: this.focus,
      cuts: NONE,
      vocabSize: this.vocabulary,
    };
  }

  private set(change: { focus?: string | null; hidden?: readonly Group[] }): void {
    if (change.focus !== undefined) this.focus = change.focus;
    this.hidden = change.hidden ?? this.hidden;
    this.paint(this.frame.theme);
  }

  private paint(theme: Theme): void {
    this.view.show(this.drawing(theme));
    this.colourings.show(this.colourBy);
    const { meaning = '' } = this.options.colourings.find(({ by }) => by === this.colourBy) ?? {};
    this.frame.meaning.textContent = meaning;
    this.legend.show(this.graph, this.drawing(theme), this.hidden);
    if (!this.table.hidden) this.showTable(true);
  }

  private toggleGroup(group: Group): void {
    const hidden = this.hidden.includes(group)
      ? this.hidden.filter((name) => name !== group)
      : GROUPS.filter((name) => name === group || this.hidden.includes(name));
    this.set({ hidden });
  }

  private showTable(on: boolean): void {
    this.table.hidden = !on;
    this.picture.hidden = on;
    this.toggle.setAttribute('aria-pressed', String(on));
    const hidden = hiddenKinds(this.hidden);
    this.table.replaceChildren(...(on ? [flowTableOf(this.graph, hidden)] : []));
  }

  private say(id: string | null, at: Point | null): void {
    const content = id === null ? null : flowCard(id, this.graph, 'baseline', false);
    if (!content || !at) return this.frame.card.hide();
    const anchor = { left: at.x, right: at.x + 8, top: at.y, bottom: at.y };
    this.frame.card.show(anchor, { ...content, hint: 'click: its paths' });
  }

  private zoomButtons(): HTMLElement {
    const step = (by: 1 | -1) => this.view.viewport.step(by, null);
    return make(
      'div',
      { class: 'segments', role: 'group', 'aria-label': 'Zoom' },
      button('−', () => step(-1), 'Smaller'),
      button('+', () => step(1), 'Larger'),
      button('fit', () => this.view.reset(), 'Everything, in its place'),
    );
  }
}
