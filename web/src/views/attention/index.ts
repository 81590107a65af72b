/** Who looks at whom: the patterns of heads, what they move, what heads do. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { VIEW_KEYS } from './attentionKeys';
import { attentionState } from './attentionState';
import '../../draw/draw.css';
import './attention.css';

export const attention: View = {
  id: 'attention',
  label: 'Attention',
  teach: {
    question: 'Who looks at whom, and what is fetched there?',
    text: 'Tokens to the left look at tokens to the right: a curve is as wide as the share of attention, or as what it moves. Each head looks in a way of its own. All of them stand beside in small, and can be sorted by what they do; point at one to see it, click to add it.',
  },
  needs: {
    capability: 'pattern',
    title: 'Attention cannot be shown for this model',
    note: 'A wrong number is worse than none.',
    instead: { capability: 'lens', note: 'The lens shows what its layers predict.' },
  },
  keys: VIEW_KEYS,
  component: lazy(async () => ({ default: (await import('./AttentionView')).AttentionView })),
  state: attentionState,
  python: async (page) => (await import('./python')).attentionPython(page),
};
