/** Questions to the vector index as hooks. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { PAGE, type Clustering, type Explore } from '../text/explore';
import { hitsQuestion, type Context, type HitsQuestion } from '../text/exploreQuestions';
import { askedOf } from '../text/chat';
import { furtherOf, type Further } from '../text/further';
import type { Spec } from '../text/url';
import { answer, api, ApiError, timedAnswer, type Schemas, type Timed } from './client';
import { newJobId, useJobs, watchJob } from './jobs';
import { queryClient, useAnalysis, wireEdits, type Analysis } from './queries';

export type Hit = Schemas['Hit'];
export type Hits = Schemas['Hits'];
export type Vector = Schemas['ValueVector'];
export type IndexStatus = Schemas['IndexStatus'];
export type Projection = Explore['projection'];

// ------------------------------------------------------------------ the index itself

const INDEX = ['index'];
const WATCH_MS = 2000;

export function useIndex() {
  return useQuery({
    queryKey: INDEX,
    queryFn: ({ signal }) => answer(api.GET('/api/index', { signal })),
    refetchInterval: (query) => (query.state.data?.building?.job ? WATCH_MS : false),
  });
}

interface Build {
  start: (restart: boolean) => void;
  cancel: () => void;
  running: boolean;
  error: ApiError | null;
}

/** Building goes on when the page is left, and is found again when it comes back. */
export function useBuild(
  spec: { further: Further },
  projection: Projection,
  status: IndexStatus | null,
): Build {
  const [error, setError] = useState<ApiError | null>(null);
  const [own, setOwn] = useState<string | null>(null);
  const job = own ?? status?.building?.job ?? null;
  useEffect(() => (job === null ? undefined : watchJob('build', job)), [job]);
  const start = (restart: boolean) => {
    const id = newJobId();
    setOwn(id);
    setError(null);
    const body = { ...furtherOf(spec, 'build'), projection, restart, job: id };
    answer(api.POST('/api/index/build', { body }))
      .catch((failure: unknown) => {
        if (failure instanceof ApiError && failure.body.code !== 'cancelled') setError(failure);
      })
      .finally(() => {
        setOwn(null);
        void queryClient.invalidateQueries({ queryKey: INDEX });
        for (const key of ['hits', 'vector', 'clusters', 'cluster'])
          void queryClient.resetQueries({ queryKey: [key] });
      });
    setTimeout(() => void queryClient.invalidateQueries({ queryKey: INDEX }), 500);
  };
  const cancel = () => {
    if (job !== null)
      void api.DELETE('/api/jobs/{job}', { params: { path: { job } } }).catch(() => undefined);
  };
  return { start, cancel, running: job !== null, error };
}

export function useBuildProgress() {
  return useJobs((state) => state.build?.event ?? null);
}

// ------------------------------------------------------------------ what it answers

export function useHits(spec: Spec, context: Context, ready: boolean): Analysis<Hits> {
  const question = hitsQuestion(spec.explore, context);
  const state = question?.path === 'similar' && question.body.state;
  // What is not asked about must not ask again when it changes: the prompt matters to states only.
  const further = question && furtherOf(spec, question.path);
  const key = [question, further, state ? [askedOf(spec), spec.edits] : null];
  return useAnalysis('hits', key, ready && question !== null, (job, signal) =>
    question ? askHits(question, spec, job, signal) : Promise.reject(new Error('nothing asked')),
  );
}

function askHits(
  question: HitsQuestion,
  spec: Spec,
  job: string,
  signal: AbortSignal,
): Promise<Timed<Hits>> {
  const further = furtherOf(spec, question.path);
  switch (question.path) {
    case 'search':
      return timedAnswer(
        api.POST('/api/index/search', { body: { ...further, ...question.body, job }, signal }),
      );
    case 'token':
      return timedAnswer(
        api.POST('/api/index/token', { body: { ...further, ...question.body, job }, signal }),
      );
    case 'similar': {
      const { state, ...rest } = question.body;
      const body = {
        ...further,
        ...rest,
        ...(state ? { state: { ...state, ...askedOf(spec), edits: wireEdits(spec.edits) } } : {}),
        job,
      };
      return timedAnswer(api.POST('/api/index/similar', { body, signal }));
    }
    case 'browse':
      return timedAnswer(
        api.POST('/api/index/browse', { body: { ...further, ...question.body, job }, signal }),
      );
  }
}

/** Facts of a neuron that hold for every prompt; needs no index. */
export function useVector(spec: Spec, node: string | null): Analysis<Vector> {
  const { projection } = spec.explore;
  const further = furtherOf(spec, 'vector');
  return useAnalysis('vector', [node, projection, further], node !== null, (job, signal) =>
    timedAnswer(
      api.POST('/api/index/vector', {
        body: { ...further, target: node ?? '', projection, job },
        signal,
      }),
    ),
  );
}

export function useClusters(
  spec: { further: Further },
  clustering: Clustering | null,
  projection: Projection,
  offset: number,
): Analysis<Schemas['ClusterList']> {
  const further = furtherOf(spec, 'clusters');
  return useAnalysis(
    'clusters',
    [clustering, projection, offset, further],
    clustering !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/index/clusters', {
          body: {
            ...further,
            projection,
            method: 'kmeans',
            ...clustering,
            offset,
            limit: PAGE,
            job,
          },
          signal,
        }),
      ),
  );
}

export function useCluster(
  spec: { further: Further },
  clustering: Clustering | null,
  projection: Projection,
  cluster: number | null,
  draw: number,
): Analysis<Schemas['ClusterMembers']> {
  const further = furtherOf(spec, 'cluster');
  return useAnalysis(
    'cluster',
    [clustering, projection, cluster, draw, further],
    clustering !== null && cluster !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/index/cluster', {
          body: {
            ...further,
            projection,
            method: 'kmeans',
            ...clustering,
            cluster: cluster ?? 0,
            sample_seed: draw,
            job,
          },
          signal,
        }),
      ),
  );
}
