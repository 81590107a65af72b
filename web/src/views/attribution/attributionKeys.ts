/** The keys of the attribution. */
import type { Key } from '../../draw/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { useStore } from '../../shared/state/store';
import { setAttribution } from './attributionState';

/** Bound by the table. */
export const ROW_KEYS = {
  walk: {
    on: ['ArrowDown', 'ArrowUp', 'Home', 'End', 'PageDown', 'PageUp'],
    label: '↑ ↓',
    says: 'in the table: from row to row; Home and End to its ends',
  },
  expand: { on: ['o'], label: 'o', says: 'in the table: what the node writes, and back' },
  off: {
    on: ['x'],
    label: 'x',
    says: 'in the table: switch the node off there, or take that back',
  },
  page: { on: ['p'], label: 'p', says: 'in the table: open the page of its component' },
  trace: { on: ['t'], label: 't', says: 'in the table: what is upstream of the node' },
  down: {
    on: ['T'],
    held: 'Shift',
    label: 'Shift t',
    says: 'in the table: what is downstream of the node',
  },
} as const satisfies Record<string, Key>;

/** Rows that a key moves by. */
export const ROW_STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 20,
  PageUp: -20,
  Home: -Infinity,
  End: Infinity,
};

/** Back by one step of what was traced. */
function closeTrace(): boolean {
  const { trace } = useStore.getState().spec.attribution;
  if (trace.length > 0) setAttribution({ trace: trace.slice(0, -1), open: null });
  return trace.length > 0;
}

function closeRow(): boolean {
  if (useStore.getState().spec.attribution.open === null) return false;
  setAttribution({ open: null }, 'replace');
  return true;
}

export const ATTRIBUTION_KEYS: readonly Key[] = [
  ...Object.values(ROW_KEYS),
  { ...NODE_KEY, says: 'outside the table: ablate the component in the drawer' },
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then the open row, then go back to what was traced before',
    act: () => closePassing() || closeDrawer() || closeRow() || closeTrace(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
