/** The corpora of the model, and where in one of them a node is strongest, as hooks. */
import { useQuery } from '@tanstack/react-query';
import { furtherOf, type Further } from '../text/further';
import { answer, api, timedAnswer, type Schemas } from './client';
import { useAnalysis, type Analysis } from './queries';

export type CorpusAbout = Schemas['CorpusAbout'];
export type Corpora = Schemas['CorpusList'];
export type CorpusExamples = Schemas['CorpusExamples'];

const WATCH_MS = 2000;
export type Explanation = Schemas['Explanation'];

export function useCorpora() {
  return useQuery({
    queryKey: ['corpora'],
    staleTime: 0, // one may have been built meanwhile
    queryFn: ({ signal }) => answer(api.GET('/api/corpus', { signal })),
    refetchInterval: (query) => (query.state.data?.building ? WATCH_MS : false),
  });
}

/** A node; with `along` a place of the residual stream, along what that neuron or latent writes. */
export interface Measured {
  target: string;
  along?: string;
}

/** A pass over the corpus: nothing is asked before `about` is given. */
export function useExamples(
  spec: { further: Further },
  about: CorpusAbout | null,
  measured: Measured,
): Analysis<CorpusExamples> {
  const further = furtherOf(spec, 'examples');
  return useAnalysis(
    'examples',
    [about?.name, about?.made, measured, further],
    about !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/corpus/examples', {
          body: { ...further, corpus: about?.name ?? '', ...measured, job },
          signal,
        }),
      ),
  );
}

/** Who says it, and what for. */
export type Asked = Required<
  Pick<Schemas['ExplainRequest'], 'explainer' | 'style' | 'judge' | 'consent'>
>;

/** What nodes do in words, kept on the server: a pass as above. Nothing is asked before `asked`. */
export function useExplanations(
  spec: { further: Further },
  about: CorpusAbout | null,
  nodes: readonly string[],
  asked: Asked | null,
): Analysis<Schemas['Explanations']> {
  const further = furtherOf(spec, 'explain');
  return useAnalysis(
    'explain',
    [about?.name, about?.made, nodes, asked, further],
    about !== null && asked !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/explain', {
          body: {
            ...further,
            ...asked,
            corpus: about?.name ?? '',
            nodes: [...nodes],
            keep: true,
            job,
          },
          signal,
        }),
      ),
  );
}
