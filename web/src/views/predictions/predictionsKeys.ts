/** The keys of Predictions. */
import type { Key } from '../../draw/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { chosenLayer, ROW_KEYS } from '../../shared/state/rows';
import { toggleLayer, toggleLayers } from './predictionsState';

/** In a layer's heads and neurons; bound by the layer. */
export const PART_KEYS = {
  rows: {
    on: ['ArrowUp', 'ArrowDown'],
    label: '↑ ↓',
    says: 'in the heads and neurons of a layer: from one to the next',
  },
  controls: {
    on: ['ArrowLeft', 'ArrowRight'],
    label: '← →',
    says: 'in the heads and neurons of a layer: along what can be done to one',
  },
  off: { on: ['x'], label: 'x', says: 'there: switch it off' },
  on: { on: ['i'], label: 'i', says: 'there: switch a neuron on' },
  more: { on: ['e'], label: 'e', says: 'there: all that can be changed about it' },
} as const satisfies Record<string, Key>;

export const PREDICTIONS_KEYS: readonly Key[] = [
  ...ROW_KEYS,
  {
    on: ['l'],
    label: 'l',
    says: 'take the chosen layer apart, or close it',
    act: () => {
      const chosen = chosenLayer();
      if (chosen) toggleLayer(chosen.layer, chosen.last);
      return true;
    },
  },
  {
    on: ['L'],
    label: 'L',
    says: 'take all layers apart, or close them',
    act: () => {
      toggleLayers();
      return true;
    },
  },
  ...Object.values(PART_KEYS),
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
