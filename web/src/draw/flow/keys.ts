/** The keys of the flow graph: what binds one and what is said of it. */
import type { Key } from '../keys';

const CUT = ['x'] as const;

/** Under the pointer, wherever the focus is; bound where what is drawn can be cut. */
export const POINTED_KEYS = {
  cut: { on: CUT, label: 'x', says: 'cut what the pointer is on, or take that back' },
} as const satisfies Record<string, Key>;

/** Bound by the graph, while it has the focus; "cut" and "menu" where whoever shows it has them. */
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
