/** The page of one component. */
import { lazy } from 'react';
import { HIT_KEYS } from '../../shared/parts/hitKeys';
import { cancelWork, closePeek } from '../../shared/state/escape';
import { NODE_KEY } from '../../shared/state/rows';
import { queryClient, type ModelInfo } from '../../shared/api/queries';
import { change, useStore } from '../../shared/state/store';
import { neighbour } from '../../shared/text/neighbour';
import type { View } from '../../shared/view';
import { componentState } from './componentState';
import './component.css';

const Page = lazy(async () => ({ default: (await import('./ComponentPage')).ComponentPage }));

export const component: View = {
  id: 'component',
  label: 'Component',
  ofNode: true,
  keys: [
    NODE_KEY,
    {
      on: ['[', ']'],
      label: '[ and ]',
      says: 'the node before and the next one by number',
      act: ({ key }) => {
        const { node } = useStore.getState().spec;
        const model = queryClient.getQueryData<ModelInfo>(['model']);
        const next = node && model ? neighbour(node, key === '[' ? -1 : 1, model) : null;
        if (next !== null) change({ node: next }, 'replace');
        return true;
      },
    },
    ...Object.values(HIT_KEYS),
    {
      on: ['Escape'],
      label: 'Esc',
      says: 'back to Explore',
      act: () => {
        if (closePeek()) return true;
        cancelWork(); // what is on its way here is not wanted there
        change({ view: 'explore' });
        return true;
      },
    },
  ],
  component: Page,
  state: componentState,
  python: async (page) => (await import('./python')).componentPython(page),
};
