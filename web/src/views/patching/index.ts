/** Where the answer is made: runs of one prompt, each with one activation of another. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { PATCHING_KEYS } from './patchingKeys';
import { patchingState } from './patchingState';
import '../../draw/draw.css';
import './patching.css';

const component = lazy(async () => ({ default: (await import('./PatchingView')).PatchingView }));

export const patching: View = {
  id: 'patching',
  label: 'Patching',
  teach: {
    question: 'Where in the model is the answer made?',
    text: 'Two prompts that differ where it matters: one gives the answer, the other does not. Each cell of the grid runs the one with a single activation of the other, and shows how much of the answer that brings back, layer by layer and token by token.',
  },
  needs: {
    capability: 'lens',
    title: 'Runs of this model cannot be compared by an answer',
    note: 'A wrong number is worse than none.',
    otherwise: { capability: 'labels', component },
  },
  keys: PATCHING_KEYS,
  component,
  state: patchingState,
  python: async (page) => (await import('./python')).patchingPython(page),
};
