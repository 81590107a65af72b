/** The keys of a drawn attribution graph: what binds one and what is said of it. */
import type { Key } from '../keys';

/** Bound by the graph, while it has the focus; "mark" and "open" where whoever shows it has them. */
export const FEATURE_KEYS = {
  walk: {
    on: ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'],
    label: '↑ ↓ ← →',
    says: 'in the graph: along the largest edge, or to the next node of the layer',
  },
  edge: { on: ['e'], label: 'e', says: 'in the graph: from edge to edge into the chosen node' },
  open: { on: ['Enter'], label: 'Enter', says: 'in the graph: measure the chosen edge' },
  mark: { on: ['s'], label: 's', says: 'in the graph: pick the chosen node for a group, or not' },
  closer: { on: ['+', '='], label: '+', says: 'in the graph: closer' },
  farther: { on: ['-'], label: '−', says: 'in the graph: farther away' },
  fit: { on: ['0'], label: '0', says: 'in the graph: all of it' },
} as const satisfies Record<string, Key>;
