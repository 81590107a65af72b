/** Tokens of one's own texts: like one of the prompt, or by their labels; what they have in common. */
import { lazy } from 'react';
import type { View } from '../../shared/view';
import { CORPUS_KEYS } from './corpusKeys';
import { corpusState } from './corpusState';

export const corpus: View = {
  id: 'corpus',
  label: 'Corpus',
  keys: Object.values(CORPUS_KEYS),
  component: lazy(async () => ({ default: (await import('./CorpusView')).CorpusView })),
  state: corpusState,
  python: async (page) => (await import('./python')).corpusPython(page),
};
