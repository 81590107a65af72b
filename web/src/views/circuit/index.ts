/** Which edges between heads and feed-forwards carry the answer, and how much of it alone. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { CIRCUIT_VIEW_KEYS } from './circuitKeys';
import { circuitState } from './circuitState';
import '../../draw/draw.css';
import './circuit.css';

export const circuit: View = {
  id: 'circuit',
  label: 'Circuit',
  teach: {
    question: 'Which connections carry the answer?',
    text: 'Heads and feed-forwards of the whole model, and the edges between them that matter most to the answer. Everything else is as in another prompt, or nothing: faithfulness says how much of the answer is left. Take edges out and put them in, and measure again.',
  },
  needs: {
    capability: 'lens',
    title: 'Circuits of this model cannot be measured by an answer',
    note: 'A wrong number is worse than none.',
    instead: {
      capability: 'labels',
      note: 'Attribution and Patching explain the score of a label.',
    },
  },
  keys: CIRCUIT_VIEW_KEYS,
  component: lazy(async () => ({ default: (await import('./CircuitView')).CircuitView })),
  state: circuitState,
  python: async (page) => (await import('./python')).circuitPython(page),
};
