/** The keys of the flow graph. */
import { GRAPH_KEYS, POINTED_KEYS } from '../../draw/flow/keys';
import type { Key } from '../../draw/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { useStore } from '../../shared/state/store';
import { flowPort, setFlow, shiftLayers } from './flowing';

function clearFocus(): boolean {
  if (useStore.getState().spec.flow.focus === null) return false;
  setFlow({ focus: null });
  return true;
}

export const FLOW_KEYS: readonly Key[] = [
  {
    on: ['[', ']'],
    label: '[ and ]',
    says: 'the layers that are drawn, down and up',
    act: ({ key }) => {
      shiftLayers(key === '[' ? -1 : 1);
      return true;
    },
  },
  ...Object.values(POINTED_KEYS),
  ...Object.values(GRAPH_KEYS),
  {
    ...POINTED_KEYS.cut,
    says: 'cut what is lit, or take that back',
    act: () => {
      flowPort.cutFocus?.();
      return flowPort.cutFocus !== null;
    },
  },
  { ...NODE_KEY, says: 'where nothing is lit: ablate the component in the drawer' },
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then light all paths again',
    act: () => closePassing() || closeDrawer() || clearFocus(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
