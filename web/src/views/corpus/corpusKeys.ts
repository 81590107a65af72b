/** The keys of a list of tokens in their sentences; bound by the list. */
import type { Key } from '../../draw/keys';

export const CORPUS_KEYS = {
  walk: {
    on: ['ArrowUp', 'ArrowDown', 'Home', 'End'],
    label: '↑ ↓',
    says: 'in a list of sentences: from one to the next; Home and End, the first and the last',
  },
} as const satisfies Record<string, Key>;
