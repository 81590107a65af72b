/** The keys of a drawn circuit: what binds one and what is said of it. */
import type { Key } from '../keys';

/** Bound by the circuit, while it has the focus; "out" where whoever shows it can take something out. */
export const CIRCUIT_KEYS = {
  walk: {
    on: ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'],
    label: '↑ ↓ ← →',
    says: 'in the circuit: along the largest edge, or to the next node of the layer',
  },
  edge: { on: ['e'], label: 'e', says: 'in the circuit: from edge to edge of the chosen node' },
  open: { on: ['Enter'], label: 'Enter', says: 'in the circuit: measure the chosen edge' },
  out: { on: ['x'], label: 'x', says: 'in the circuit: take out what is chosen' },
} as const satisfies Record<string, Key>;
