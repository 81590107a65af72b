/** A circuit as a drawing of its own: the picture, and its edges as a table. */
import { CARD_KEYS } from '../card';
import { button, make } from '../dom';
import { Frame, type FrameOptions } from '../frame';
import { help } from '../help';
import type { Point } from '../press';
import { tableOf } from '../table';
import { circuitData, type CircuitJson } from './data';
import { CIRCUIT_KEYS } from './keys';
import { circuitSvg } from './svg';
import { circuitCard, circuitTable } from './text';
import { CircuitView } from './view';

export interface CircuitOptions extends FrameOptions {
  /** Under the title: what is explained, and how much of it is kept. */
  note: string;
}

const HINT = 'Point at a node or an edge for its numbers; click for its edges alone.';
const MEANING = 'Blue edges raise what is explained, orange ones lower it; wide ones do so most.';
const WITHIN = 'Dashed: what a head reads at one token it writes at a later one.';
const { open: _open, out: _out, ...SHOWN_KEYS } = CIRCUIT_KEYS;

export function mountCircuit(
  element: HTMLElement,
  json: CircuitJson,
  options: CircuitOptions,
): () => void {
  const data = circuitData(json);
  const frame = new Frame(element, options);
  const picture = make('div', { class: 'picture circuit-picture' });
  const table = make(
    'div',
    { hidden: '' },
    tableOf('Circuit as a table', `${data.edges.length} edges`, circuitTable(data)),
  );
  const toggle = button('Table', () => {
    table.hidden = !table.hidden;
    picture.hidden = !table.hidden;
    toggle.setAttribute('aria-pressed', String(!table.hidden));
  });
  const box = make('div');
  picture.append(box);
  frame.bar.append(toggle);
  frame.body.append(picture, table, help(HINT, { ...CARD_KEYS, ...SHOWN_KEYS }));
  let chosen: string | null = null;
  const view = new CircuitView(box, {
    hover: (id: string | null, at: Point | null) => {
      if (id === null || !at) return frame.card.hide();
      const anchor = { left: at.x, right: at.x + 8, top: at.y, bottom: at.y };
      frame.card.show(anchor, circuitCard(data, id, 'click: its edges alone'));
    },
    choose: (id) => {
      chosen = id === chosen ? null : id;
      view.show({ data, chosen, theme: frame.theme });
    },
  });
  frame.meaning.textContent = data.tokens === null ? MEANING : `${MEANING} ${WITHIN}`;
  frame.start({
    paint: (theme) => view.show({ data, chosen, theme }),
    picture: (_theme, token) =>
      circuitSvg({ data, heading: options.title ?? '', note: options.note, token }),
    lines: () => circuitTable(data),
  });
  return () => {
    view.destroy();
    frame.destroy();
  };
}
