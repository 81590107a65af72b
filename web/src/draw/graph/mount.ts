/** An attribution graph as a drawing of its own: the picture, how much of it is shown, its edges as a table. */
import { CARD_KEYS } from '../card';
import { button, make } from '../dom';
import { percent } from '../format';
import { Frame, type FrameOptions } from '../frame';
import { help } from '../help';
import type { ColourMaps } from '../lut';
import type { Point } from '../press';
import { tableOf } from '../table';
import { graphData, grouped, pruned, type GraphData, type GraphJson, type Kept } from './data';
import { FEATURE_KEYS } from './keys';
import { graphSvg } from './svg';
import { graphCard, graphTable, shownWords } from './text';
import { AttributionGraphView } from './view';

export interface GraphOptions extends FrameOptions {
  /** Under the title: what is explained, and how much of it. */
  note: string;
  maps?: ColourMaps;
}

/** As a page has it: the ends of edges are numbers of nodes. */
export type PackedGraph = Omit<GraphJson, 'edges'> & {
  edges: ReadonlyArray<readonly [source: number, target: number, weight: number, reached: number]>;
};

export function unpacked(packed: PackedGraph): GraphJson {
  const name = (at: number) => packed.nodes[at]?.name ?? '';
  const edges = packed.edges.map(([source, target, weight, reached]) => ({
    source: name(source),
    target: name(target),
    weight,
    reached,
  }));
  return { ...packed, edges };
}

const HINT =
  'Point at a node or an edge for its numbers; click for its edges alone. Drag to move, wheel to zoom once the graph has the focus.';
const NOBODY: ReadonlySet<string> = new Set();
const MOST_ROWS = 1000;
const { open: _open, mark: _mark, ...SHOWN_KEYS } = FEATURE_KEYS;

export function mountGraph(
  element: HTMLElement,
  packed: PackedGraph,
  options: GraphOptions,
): () => void {
  const json = unpacked(packed);
  const whole = graphData(json);
  const frame = new Frame(element, options);
  const kept: Kept = { nodes: null, edges: null };
  let [data, chosen] = [grouped(whole, json.supernodes), null as string | null];
  const picture = make('div', { class: 'picture graph-picture' });
  const table = make('div', { hidden: '' });
  const toggle = button('Table', () => {
    table.hidden = !table.hidden;
    picture.hidden = !table.hidden;
    toggle.setAttribute('aria-pressed', String(!table.hidden));
    if (!table.hidden) table.replaceChildren(edgeTable(data));
  });
  const box = make('div');
  picture.append(box);
  const paint = () =>
    view.show({ data, chosen, marked: NOBODY, flipped: false, theme: frame.theme, ...maps });
  const maps = options.maps ? { maps: options.maps } : {};
  const keep = (part: keyof Kept) => (value: number) => {
    const most = part === 'nodes' ? json.node_threshold : json.edge_threshold;
    kept[part] = value < most ? value : null;
    data = grouped(pruned(whole, kept), json.supernodes);
    frame.meaning.textContent = meaning(data, whole);
    if (!table.hidden) table.replaceChildren(edgeTable(data));
    paint();
  };
  frame.bar.append(
    slider('Nodes', json.node_threshold, keep('nodes')),
    slider('Edges', json.edge_threshold, keep('edges')),
    toggle,
  );
  frame.body.append(picture, table, help(HINT, { ...CARD_KEYS, ...SHOWN_KEYS }));
  const view = new AttributionGraphView(
    box,
    {
      hover: (id: string | null, at: Point | null) => {
        if (id === null || !at) return frame.card.hide();
        const anchor = { left: at.x, right: at.x + 8, top: at.y, bottom: at.y };
        frame.card.show(anchor, graphCard(data, id, 'click: its edges alone'));
      },
      choose: (id) => {
        chosen = id === chosen ? null : id;
        paint();
      },
    },
    'focused',
  );
  frame.meaning.textContent = meaning(data, whole);
  frame.start({
    paint,
    picture: (theme, token) =>
      graphSvg({ data, heading: options.title ?? '', note: options.note, token, theme, ...maps }),
    lines: () => graphTable(data),
  });
  return () => {
    view.destroy();
    frame.destroy();
  };
}

function meaning(data: GraphData, whole: GraphData): string {
  return `${shownWords(data, whole)}. Blue edges add to what they lead to, orange ones take away; bright, large nodes have much influence.`;
}

/** A part of all influence, from none to all that the graph has. */
function slider(name: string, most: number, moved: (value: number) => void): HTMLElement {
  const said = make('output', { class: 'number' }, percent(most));
  const input = make('input', {
    type: 'range',
    min: 0,
    max: most,
    step: 'any',
    value: most,
    'aria-label': `${name}: the part of all influence that those shown have together`,
  });
  input.addEventListener('input', () => {
    said.textContent = percent(Number(input.value));
    moved(Number(input.value));
  });
  return make('label', { class: 'graph-slider' }, name, ' ', input, ' ', said);
}

function edgeTable(data: GraphData): HTMLElement {
  const lines = graphTable(data);
  const n = lines.length - 1;
  const caption =
    n > MOST_ROWS ? `the first ${MOST_ROWS} of ${n} edges; the CSV has all` : `${n} edges`;
  return tableOf('Attribution graph as a table', caption, lines.slice(0, MOST_ROWS + 1));
}
