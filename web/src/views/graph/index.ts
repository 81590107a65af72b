/** Which latents of transcoders make which others, and the answer. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { GRAPH_VIEW_KEYS } from './graphKeys';
import { graphState } from './graphState';
import '../../draw/draw.css';
import './graph.css';

export const graph: View = {
  id: 'graph',
  label: 'Graph',
  teach: {
    question: 'Which features make which, and the answer?',
    text: 'Active latents of the transcoders that are attached, at their tokens and layers, with direct edges from each to each and to the answer. Point at one for what makes it and what it makes, measure an edge by taking its source out, take nodes together under names of your own.',
  },
  unasked: true,
  needs: {
    capability: 'lens',
    title: 'This model has no attribution graph',
    note: 'A wrong number is worse than none.',
  },
  keys: GRAPH_VIEW_KEYS,
  component: lazy(async () => ({ default: (await import('./GraphView')).GraphView })),
  state: graphState,
  python: async (page) => (await import('./python')).graphPython(page),
};
