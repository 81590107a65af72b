/** The keys of the lens. */
import type { Key } from '../../shared/keys';
import { RANGE_KEYS, STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { ROW_KEYS } from '../../shared/state/rows';

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

export const LENS_KEYS: readonly Key[] = [
  ...Object.values(GRID_KEYS),
  ...ROW_KEYS,
  ...Object.values(STRIP_KEYS),
  ...Object.values(RANGE_KEYS),
  ...WIDTH_KEYS,
];
