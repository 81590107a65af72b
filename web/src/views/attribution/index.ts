/** What every head, neuron and token does to an answer. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { ATTRIBUTION_KEYS } from './attributionKeys';
import { attributionState } from './attributionState';
import '../../draw/draw.css';
import './attribution.css';

const Shown = lazy(async () => ({ default: (await import('./AttributionView')).AttributionView }));

export const attribution: View = {
  id: 'attribution',
  label: 'Attribution',
  teach: {
    question: 'Why this answer and not another? What did each part do to it?',
    text: 'Every head, neuron and token that writes to the residual stream has a share in the answer. One forward and one backward pass estimate what the answer would lose without each; measure the first ones by running the model without them, and see how far the estimates can be trusted.',
  },
  needs: {
    capability: 'lens',
    title: 'The answer of this model cannot be attributed',
    note: 'A wrong number is worse than none.',
    otherwise: { capability: 'labels', component: Shown },
  },
  keys: ATTRIBUTION_KEYS,
  component: Shown,
  state: attributionState,
  python: async (page) => (await import('./python')).attributionPython(page),
};
