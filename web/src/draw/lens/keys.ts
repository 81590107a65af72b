/** The keys of the lens grid, and of the width of its cells: what binds one and what is said of it. */
import type { Key } from '../keys';

/** Rows and columns that a key moves by. */
export const GRID_STEPS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  Home: [0, -Infinity],
  End: [0, Infinity],
  PageUp: [-Infinity, 0],
  PageDown: [Infinity, 0],
};

/** Bound by the grid. */
export const GRID_KEYS = {
  move: {
    on: Object.keys(GRID_STEPS),
    label: '↑ ↓ ← →',
    says: 'in the grid: from cell to cell; Home, End, Page ↑ and Page ↓ to its edges',
  },
} as const satisfies Record<string, Key>;

/** Bound by whoever keeps the width: the app's page, or the drawing that stands alone. */
export const WIDTH_KEYS = {
  step: {
    on: ['+', '=', '-'],
    label: '+ and −',
    says: 'wider and narrower tokens; also Ctrl or ⌘ and the wheel, or a pinch',
  },
  fit: { on: ['0'], label: '0', says: 'the whole prompt at once, and back' },
} as const satisfies Record<string, Key>;
