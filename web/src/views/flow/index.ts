/** One layer, or several, taken apart at one token. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { FLOW_KEYS } from './flowKeys';
import { flowState } from './flowState';
import '../../draw/draw.css';
import './flow.css';

const component = lazy(async () => ({ default: (await import('./FlowView')).FlowView }));

export const flow: View = {
  id: 'flow',
  label: 'Flow',
  teach: {
    question: 'Which heads and neurons wrote the answer, and from which words?',
    text: 'One layer, taken apart at one token and drawn from left to right: what attention reads, the heads and the words that they look at, what they write, then the neurons of the feed-forward. Bands are as wide as what passes is strong, every box says what it predicts. Cut one, and see what the model says without it.',
  },
  needs: {
    capability: 'lens',
    title: 'The flow graph cannot be drawn for this model',
    note: 'Every box is a vector read as a prediction, and a wrong reading is worse than none.',
    otherwise: { capability: 'labels', component }, // toward a label, and with no tokens
    instead: { capability: 'logits', note: 'Predictions shows what the whole model says next.' },
  },
  keys: FLOW_KEYS,
  component,
  state: flowState,
  python: async (page) => (await import('./python')).flowPython(page),
};
