/** The keys of the attention view. */
import { ATTENTION_KEYS } from '../../draw/attention/keys';
import type { Key } from '../../draw/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { queryClient, type ModelInfo } from '../../shared/api/queries';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { useStore } from '../../shared/state/store';
import { setAttention } from './attentionState';
import { HEAD_KEYS } from './headKeys';

/** The same heads of the next layer that has attention. */
function moveLayer(step: number): boolean {
  void move(step);
  return true;
}

/** What is known of sets of heads comes with the view, not with the page. */
async function move(step: number): Promise<void> {
  const { shifted } = await import('./picks');
  const model = queryClient.getQueryData<ModelInfo>(['model']);
  const picks = model && shifted(useStore.getState().spec.attention.picks, model, step);
  if (picks) setAttention({ picks }, 'replace');
}

function unlock(): boolean {
  if (useStore.getState().spec.attention.focus === null) return false;
  setAttention({ focus: null }, 'replace');
  return true;
}

export const VIEW_KEYS: readonly Key[] = [
  {
    on: ['[', ']'],
    label: '[ and ]',
    says: 'the same heads one layer down and up',
    act: ({ key }) => moveLayer(key === '[' ? -1 : 1),
  },
  ...Object.values(ATTENTION_KEYS),
  ...Object.values(HEAD_KEYS),
  NODE_KEY,
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then unlock the token',
    act: () => closePassing() || closeDrawer() || unlock(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
