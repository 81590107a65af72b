/** The keys of the circuit. */
import { CIRCUIT_KEYS } from '../../draw/circuit/keys';
import type { Key } from '../../draw/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { useStore } from '../../shared/state/store';
import { setCircuit } from './circuitState';

function leave(): boolean {
  if (useStore.getState().spec.circuit.chosen === null) return false;
  setCircuit({ chosen: null }, 'replace');
  return true;
}

export const CIRCUIT_VIEW_KEYS: readonly Key[] = [
  ...Object.values(CIRCUIT_KEYS),
  { ...NODE_KEY, says: 'outside the circuit: ablate the component in the drawer' },
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then leave what is chosen',
    act: () => closePassing() || closeDrawer() || leave(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
