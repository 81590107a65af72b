/** The keys of the flow graph. */
import type { Key } from '../../shared/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { useStore } from '../../shared/state/store';
import { flowPort, setFlow, shiftLayers } from './flowing';

const CUT = ['x'] as const;

/** Under the pointer, wherever the focus is; bound by the graph. */
export const POINTED_KEYS = {
  cut: { on: CUT, label: 'x', says: 'cut what the pointer is on, or take that back' },
} as const satisfies Record<string, Key>;

/** Bound by the graph, while it has the focus. */
export const GRAPH_KEYS = {
  walk: {
    on: ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'],
    label: '↑ ↓ ← →',
    says: 'in the graph: from box to box',
  },
  open: { on: ['Enter'], label: 'Enter', says: 'in the graph: light its paths, and open it' },
  cut: { on: CUT, label: 'x', says: 'in the graph: cut it, or take that back' },
  closer: { on: ['+', '='], label: '+', says: 'in the graph: closer' },
  farther: { on: ['-'], label: '−', says: 'in the graph: farther away' },
  fit: { on: ['0'], label: '0', says: 'in the graph: all of it' },
  menu: {
    on: ['ContextMenu'],
    label: 'Menu',
    says: 'in the graph: what can be done to it; also the right button',
  },
  leave: { on: ['Escape'], label: 'Esc', says: 'in the graph: light all paths again' },
} as const satisfies Record<string, Key>;

function clearFocus(): boolean {
  if (useStore.getState().spec.flow.focus === null) return false;
  setFlow({ focus: null });
  return true;
}

export const FLOW_KEYS: readonly Key[] = [
  {
    on: ['[', ']'],
    label: '[ and ]',
    says: 'the layers that are drawn, down and up',
    act: ({ key }) => {
      shiftLayers(key === '[' ? -1 : 1);
      return true;
    },
  },
  ...Object.values(POINTED_KEYS),
  ...Object.values(GRAPH_KEYS),
  {
    on: CUT,
    label: 'x',
    says: 'cut what is lit, or take that back',
    act: () => {
      flowPort.cutFocus?.();
      return flowPort.cutFocus !== null;
    },
  },
  { ...NODE_KEY, says: 'where nothing is lit: ablate the component in the drawer' },
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then light all paths again',
    act: () => closePassing() || closeDrawer() || clearFocus(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
