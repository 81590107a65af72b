/** The keys of the attention drawing: what binds one and what is said of it. */
import type { Key } from '../keys';

/** Tokens that a key moves by. */
export const TOKEN_STEPS: Readonly<Record<string, number>> = {
  ArrowUp: -1,
  ArrowDown: 1,
  PageUp: -10,
  PageDown: 10,
  Home: -Infinity,
  End: Infinity,
};

/** Bound by the drawing, while it has the focus. */
export const ATTENTION_KEYS = {
  walk: {
    on: Object.keys(TOKEN_STEPS),
    label: '↑ ↓',
    says: 'in the attention drawing: from token to token; Home, End, Page ↑ and Page ↓ go farther',
  },
  cross: {
    on: ['ArrowLeft', 'ArrowRight'],
    label: '← →',
    says: 'in the attention drawing: to the queries, to the keys',
  },
  open: {
    on: ['Enter'],
    label: 'Enter',
    says: 'in the attention drawing: keep its pairs alone, or take that back',
  },
  leave: { on: ['Escape'], label: 'Esc', says: 'in the attention drawing: all pairs again' },
  step: {
    on: ['+', '=', '-'],
    label: '+ and −',
    says: 'in the attention drawing: closer, farther; also Ctrl or ⌘ and the wheel, or a pinch',
  },
  fit: { on: ['0'], label: '0', says: 'in the attention drawing: all tokens at once, and back' },
} as const satisfies Record<string, Key>;
