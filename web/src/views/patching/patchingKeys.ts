/** The keys of the patching grid. */
import type { Key } from '../../draw/keys';
import { GRID_KEYS } from '../../draw/lens/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { useStore } from '../../shared/state/store';
import { setPatching } from './patchingState';

function leaveCell(): boolean {
  if (useStore.getState().spec.patching.cell === null) return false;
  setPatching({ cell: null }, 'replace');
  return true;
}

export const PATCHING_KEYS: readonly Key[] = [
  ...Object.values(GRID_KEYS),
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then leave the chosen cell',
    act: () => closePassing() || closeDrawer() || leaveCell(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
