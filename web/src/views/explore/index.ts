/** What neurons write, whatever runs: search, tokens, similar vectors, layers, clusters. */
import { lazy } from 'react';
import { HIT_KEYS } from '../../shared/parts/hitKeys';
import { LAYER_KEY, NODE_KEY } from '../../shared/state/rows';
import { exploreState } from '../../shared/text/explore';
import type { View } from '../../shared/view';
import './explore.css';
import './explore-index.css';

export const explore: View = {
  id: 'explore',
  label: 'Explore',
  keys: [
    ...Object.values(HIT_KEYS),
    NODE_KEY,
    { ...LAYER_KEY, says: 'layer of the state that vectors are compared with, down and up' },
  ],
  component: lazy(async () => ({ default: (await import('./ExploreView')).ExploreView })),
  state: exploreState,
  python: async (page) => (await import('./python')).explorePython(page),
};
