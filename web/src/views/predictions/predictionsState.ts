/** Which layers are taken apart: as state, as parts of the address. */
import { integer, viewState, type Fields } from '../../shared/text/fields';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { change, useStore } from '../../shared/state/store';
import { LIMITS } from '../../questions.gen';

export interface PredictionsState {
  /** Layers whose parts are shown; "all". */
  open: number[] | 'all';
  /** How many neurons and heads of each such layer. */
  parts: number;
}

export const PREDICTIONS: Readonly<PredictionsState> = { open: [], parts: 10 };

const MOST_LAYERS = 1024;

const FIELDS: Fields<PredictionsState> = {
  open: {
    write: ({ open }) => (open === 'all' ? open : written(open) || null),
    read: (state, value) => {
      const layers = value === 'all' ? value : parsePositions(value, MOST_LAYERS);
      const good = layers === 'all' || (Array.isArray(layers) && (layers[0] ?? -1) >= 0);
      if (good) state.open = layers;
      return good;
    },
  },
  parts: integer(PREDICTIONS, 'parts', 1, LIMITS.max_sub_updates),
};

function written(layers: readonly number[]): string {
  return formatPositions(layers).replaceAll(' ', '');
}

export const predictionsState = viewState(PREDICTIONS, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    predictions: PredictionsState;
  }
}

export function setPredictions(patch: Partial<PredictionsState>): void {
  const { predictions } = useStore.getState().spec;
  change({ predictions: { ...predictions, ...patch } }, 'replace');
}

/** Opens a layer's parts, or closes them. */
export function toggleLayer(layer: number, last: number): void {
  const { open: opened } = useStore.getState().spec.predictions;
  const all = opened === 'all' ? Array.from({ length: last + 1 }, (_, at) => at) : opened;
  const next = all.includes(layer)
    ? all.filter((other) => other !== layer)
    : [...all, layer].toSorted((a, b) => a - b);
  setPredictions({ open: next });
}

/** All layers taken apart, or none. */
export function toggleLayers(): void {
  const { open } = useStore.getState().spec.predictions;
  setPredictions({ open: open.length > 0 ? [] : 'all' });
}
