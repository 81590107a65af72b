/** The grid of layers and positions. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { LENS_KEYS } from './lensKeys';
import { lensState } from './lensState';
import '../../draw/draw.css';
import './lens.css';

export const lens: View = {
  id: 'lens',
  label: 'Lens',
  teach: {
    question: 'Where does the answer appear, at which layer and at which token?',
    text: 'The grid reads the residual stream at every layer and every token at once. A row is a layer, a column is a token, a cell shows what would be predicted there.',
  },
  needs: {
    capability: 'lens',
    title: 'The lens cannot be shown for this model',
    note: 'A wrong number is worse than none.',
    instead: { capability: 'logits', note: 'Predictions shows what the whole model says next.' },
  },
  keys: LENS_KEYS,
  component: lazy(async () => ({ default: (await import('./LensView')).LensView })),
  state: lensState,
  python: async (page) => (await import('./python')).lensPython(page),
};
