/** The keys of the grid of heads; bound by the grid. */
import type { Key } from '../../draw/keys';

export const HEAD_KEYS = {
  walk: {
    on: ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'],
    label: '← → ↑ ↓',
    says: 'in the grid of heads: from one to the next, which is then previewed; Home and End, the first and the last',
  },
  add: {
    on: ['Enter', ' '],
    label: 'Enter',
    says: 'in the grid of heads: show this head too, or no longer',
  },
  only: { on: ['o'], label: 'o', says: 'in the grid of heads: show this head alone' },
  off: { on: ['x'], label: 'x', says: 'in the grid of heads: cut the head, or take that back' },
  leave: { on: ['Escape'], label: 'Esc', says: 'in the grid of heads: end the preview' },
} as const satisfies Record<string, Key>;
