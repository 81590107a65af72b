/** What comes next, and what each layer would say if the model stopped there. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { PREDICTIONS_KEYS } from './predictionsKeys';
import { predictionsState } from './predictionsState';
import { PredictionsView } from './PredictionsView';
import './predictions.css';
import './layers.css';
import './parts.css';

export const predictions: View = {
  id: 'predictions',
  label: 'Predictions',
  teach: {
    question: 'What does the model say next, and at which layer does it know?',
    text: 'Every layer reads and writes one vector per token, the residual stream. Read at any layer as if it were the last, it says what the model would predict if it stopped there.',
  },
  needs: {
    capability: 'logits',
    title: 'This model predicts no tokens',
    note: 'Edits, components and their activations need no prediction: open a node by its name in the tray.',
    otherwise: {
      capability: 'labels',
      component: lazy(async () => ({ default: (await import('./LabelsView')).LabelsView })),
    },
  },
  keys: PREDICTIONS_KEYS,
  // The page opens with it: loaded with the page.
  component: PredictionsView,
  state: predictionsState,
  python: async (page) => (await import('./python')).predictionsPython(page),
};
