/** The chosen row of the residual stream, from the keyboard: moved, inspected, its writer switched off. */
import { isAsked } from '../text/chat';
import { queryClient, type ModelInfo } from '../api/queries';
import { isControl, type Key } from '../../draw/keys';
import { parseRow, writerOf, type Row } from '../../draw/residual';
import { mixerOf } from '../text/address';
import { change, notify, toggleAblation, useStore } from './store';

const modelInfo = () => queryClient.getQueryData<ModelInfo>(['model']);

function layers(): number {
  return modelInfo()?.n_layers ?? 0;
}

function writer(row: Row): string {
  return writerOf(row, mixerOf(row.layer, modelInfo()));
}

function chosenRow(): string {
  return useStore.getState().spec.row ?? `L${layers() - 1}.resid_post`;
}

/** The layer of the chosen row, and the last one; null while there is no model. */
export function chosenLayer(): { layer: number; last: number } | null {
  const row = parseRow(chosenRow());
  return row && layers() > 0 ? { layer: row.layer, last: layers() - 1 } : null;
}

function moveLayer(step: number): boolean {
  const row = parseRow(chosenRow());
  if (!row || layers() === 0) return true;
  const below = row.site === 'resid_pre' && row.layer === 0;
  const layer = below ? (step > 0 ? 0 : -1) : row.layer + step;
  const next = layer < 0 ? 'embed' : `L${Math.min(layers() - 1, layer)}.resid_post`;
  change({ row: next }, 'replace');
  return true;
}

/** Opens what wrote the chosen row in the drawer. */
export function inspect(): boolean {
  const row = parseRow(chosenRow());
  if (!isAsked(useStore.getState().spec) || !row || layers() === 0) return false;
  change({ node: writer(row) });
  return true;
}

/** Zeroes a node, or takes that back. */
export function ablate(node: string | null): boolean {
  if (node) toggleAblation(node);
  else notify('Choose a component first: then x sets it to zero.');
  return true;
}

/** The drawer's, else the one behind the chosen row. */
function chosenNode(): string | null {
  const { spec } = useStore.getState();
  const row = parseRow(chosenRow());
  return spec.node ?? (isAsked(spec) && row && layers() > 0 ? writer(row) : null);
}

export const LAYER_KEY: Key = {
  on: ['[', ']'],
  label: '[ and ]',
  says: 'layer down and up',
  act: ({ key }) => moveLayer(key === '[' ? -1 : 1),
};

/** Of views with a chosen row. */
export const ROW_KEYS: readonly Key[] = [
  LAYER_KEY,
  {
    on: ['Enter'],
    label: 'Enter',
    says: 'inspect the component behind the chosen row',
    act: ({ target }) => !isControl(target) && inspect(),
  },
  {
    on: ['x'],
    label: 'x',
    says: 'ablate it (set to zero), or take that back',
    act: () => ablate(chosenNode()),
  },
];

/** Of views without one. */
export const NODE_KEY: Key = {
  on: ['x'],
  label: 'x',
  says: 'ablate the component that is open (set it to zero), or take that back',
  act: () => ablate(useStore.getState().spec.node),
};
