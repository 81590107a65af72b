/** The keys of a list of vectors; bound by the list. */
import type { Key } from '../../draw/keys';

export const HIT_KEYS = {
  walk: {
    on: ['ArrowUp', 'ArrowDown', 'Home', 'End'],
    label: '↑ ↓',
    says: 'in a list of vectors: from one to the next; Home and End, the first and the last',
  },
  off: { on: ['x'], label: 'x', says: 'in a list of vectors: switch the neuron off' },
  on: { on: ['o'], label: 'o', says: 'in a list of vectors: switch the neuron on' },
  page: { on: ['p'], label: 'p', says: 'in a list of vectors: open its page' },
} as const satisfies Record<string, Key>;
