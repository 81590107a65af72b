/** The keys of the graph. */
import { FEATURE_KEYS } from '../../draw/graph/keys';
import { isTyping, type Key } from '../../draw/keys';
import { STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { closeDrawer, closePassing } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { useStore } from '../../shared/state/store';
import { setGraph, usePassing } from './graphState';

function leave(): boolean {
  if (useStore.getState().spec.graph.chosen !== null) {
    setGraph({ chosen: null, measured: false }, 'replace');
    return true;
  }
  const some = usePassing.getState().marked.length > 0;
  if (some) usePassing.setState({ marked: [] });
  return some;
}

export const GRAPH_VIEW_KEYS: readonly Key[] = [
  ...Object.values(FEATURE_KEYS),
  {
    on: ['g'],
    label: 'g',
    says: 'name the nodes that are picked, and take them together',
    act: ({ target }) => {
      const name = document.querySelector<HTMLInputElement>('[data-testid="group-name"]');
      if (!name || isTyping(target)) return false;
      name.focus();
      return true;
    },
  },
  { ...NODE_KEY, says: 'outside the graph: ablate the component in the drawer' },
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close the drawer, then leave what is chosen, then what is picked',
    act: () => closePassing() || closeDrawer() || leave(),
  },
  ...Object.values(STRIP_KEYS),
  ...WIDTH_KEYS,
];
