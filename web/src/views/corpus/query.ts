/** Corpora, their search and their sentences as hooks. */
import { useQuery } from '@tanstack/react-query';
import { answer, api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, wireEdits, type Analysis, type ModelInfo } from '../../shared/api/queries';
import { askedOf, isAsked } from '../../shared/text/chat';
import { furtherOf } from '../../shared/text/further';
import type { Spec } from '../../shared/text/url';
import { optionsOf, relationsOf, type About } from './request';

export type Hits = Schemas['CorpusHits'];
export type Hit = Schemas['CorpusHit'];
export type Sentence = Schemas['CorpusSentence'];
export type Relations = Schemas['HeadRelations'];
export type Relation = Schemas['HeadRelation'];
export type CorpusToken = Schemas['CorpusToken'];

/** Rows whose sentences are fetched together. */
export const CHUNK = 25;

export function useCorpusHits(
  spec: Spec,
  about: About | null,
  position: number | null,
  model: ModelInfo | null,
): Analysis<Hits> {
  const like = spec.corpus.ask === 'like';
  const asked = like ? { ...askedOf(spec), edits: wireEdits(spec.edits), position } : {};
  const options = about ? optionsOf(spec.corpus, about, like, model?.kind === 'causal') : {};
  const further = furtherOf(spec, 'corpus');
  const corpus = about?.name ?? '';
  return useAnalysis(
    'corpus',
    [corpus, about?.made, asked, options, further],
    about !== null &&
      model !== null &&
      (spec.corpus.ask === 'labels' || (like && isAsked(spec) && position !== null)),
    (job, signal) =>
      timedAnswer(
        api.POST('/api/corpus/search', {
          body: {
            ...further,
            ...(like
              ? { ...askedOf(spec), edits: wireEdits(spec.edits), position: position ?? -1 }
              : {}),
            ...options,
            corpus,
            job,
          },
          signal,
        }),
      ),
  );
}

/** A pass over the corpus, which a button or a link asks for. Sorted otherwise it needs no other one. */
export function useRelations(spec: Spec, about: About | null): Analysis<Relations> {
  const options = relationsOf(spec.corpus);
  const further = furtherOf(spec, 'relations');
  const corpus = about?.name ?? '';
  return useAnalysis(
    'relations',
    [corpus, about?.made, options, further],
    spec.corpus.through && about !== null && spec.corpus.ask === 'heads',
    (job, signal) =>
      timedAnswer(
        api.POST('/api/corpus/relations', {
          body: { ...further, ...options, corpus, job },
          signal,
        }),
      ),
  );
}

export interface Lit {
  layer: number;
  heads: readonly number[];
}

/** The sentences of some rows; with `lit`, the attention of their tokens. */
export function useSentences(
  spec: Spec,
  corpus: string,
  rows: readonly number[],
  lit: Lit | null,
): ReadonlyMap<number, Sentence> | null {
  const further = furtherOf(spec, 'sentences');
  const query = useQuery<ReadonlyMap<number, Sentence>>({
    queryKey: ['sentences', corpus, rows, lit, further],
    enabled: rows.length > 0,
    placeholderData: (before) => before,
    queryFn: async ({ signal }) => {
      const found = await answer(
        api.POST('/api/corpus/sentences', {
          body: {
            ...further,
            corpus,
            rows: [...rows],
            ...(lit
              ? { layer: lit.layer, ...(lit.heads.length > 0 ? { heads: [...lit.heads] } : {}) }
              : {}),
          },
          signal,
        }),
      );
      return new Map(found.items.map((one) => [one.row, one]));
    },
  });
  return query.data ?? null;
}
