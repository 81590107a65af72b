/** Server state as hooks. Answers depend on their key alone, so they never go stale. */
import { QueryClient, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { askedOf, isAsked, type Asked } from '../text/chat';
import type { Edit } from '../text/edits';
import { furtherOf } from '../text/further';
import type { Spec } from '../text/url';
import {
  answer,
  api,
  ApiError,
  timedAnswer,
  type Schemas,
  type Timed,
  type Timing,
} from './client';
import { cancelJob, followJob, type JobKind } from './jobs';

export type ModelInfo = Schemas['ModelInfo'];

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: false,
      staleTime: Infinity,
      gcTime: 300_000,
      refetchOnWindowFocus: false,
      networkMode: 'always',
    },
  },
});

/** What a view knows of its question. */
export interface Analysis<Data> {
  /** The newest answer there is, maybe to an older question: see `current`. */
  data: Data | null;
  timing: Timing | null;
  /** The data answer what the page asks now. */
  current: boolean;
  busy: boolean;
  cancelled: boolean;
  error: ApiError | null;
  retry: () => void;
  cancel: () => void;
}

/** Asks under a key; a newer key aborts the older request, the last good answer stays until then. */
export function useAnalysis<Data>(
  kind: JobKind,
  key: unknown[],
  enabled: boolean,
  ask: (job: string, signal: AbortSignal) => Promise<Timed<Data>>,
): Analysis<Data> {
  const client = useQueryClient();
  const queryKey = [kind, ...key];
  const query = useQuery({
    queryKey,
    enabled,
    queryFn: ({ signal }) => followJob(kind, signal, (job) => ask(job, signal)),
  });
  const [last, setLast] = useState<Timed<Data> | null>(null);
  if (query.data !== undefined && last !== query.data) setLast(query.data);
  const newest = query.data ?? last;
  return {
    data: newest?.data ?? null,
    timing: newest?.timing ?? null,
    current: query.data !== undefined,
    busy: query.isFetching,
    cancelled: enabled && query.isPending && query.fetchStatus === 'idle',
    error:
      query.error instanceof ApiError ? query.error : query.error ? unexpected(query.error) : null,
    retry: () => void query.refetch(),
    cancel: () => {
      cancelJob(kind);
      void client.cancelQueries({ queryKey });
    },
  };
}

function unexpected(error: Error): ApiError {
  return new ApiError(0, { code: 'unexpected', message: error.message });
}

export function useModel() {
  return useQuery({
    queryKey: ['model'],
    queryFn: ({ signal }) => answer(api.GET('/api/model', { signal })),
  });
}

export function useTokens(asked: Asked, enabled = true) {
  return useQuery({
    queryKey: ['tokenize', asked],
    enabled: enabled && (asked.prompt !== '' || asked.source !== undefined),
    queryFn: ({ signal }) => answer(api.POST('/api/tokenize', { body: asked, signal })),
  });
}

/** Of a text by itself, as a target is: of an encoder-decoder, as its decoder reads it. */
export function useTextTokens(text: string, enabled = true) {
  const model = useModel().data;
  const asked = model?.has_encoder ? { prompt: text, source: text } : { prompt: text };
  return useTokens(asked, enabled && model !== undefined);
}

/** What comes next, with no layer read for it: the cheapest that can be asked of a position. */
export function useNextTokens(spec: Spec, position: number | null) {
  return usePredictions(spec, position, false);
}

export function usePredictions(spec: Spec, position: number | null, layers = true) {
  const { edits, k, target, distractor } = spec;
  const asked = askedOf(spec);
  const enabled = isAsked(spec) && position !== null;
  const further = furtherOf(spec, 'predictions');
  return useAnalysis(
    'predictions',
    [asked, edits, position, k, target, distractor, further, layers],
    enabled,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/predictions', {
          body: {
            ...further,
            ...asked,
            edits: wireEdits(edits),
            position: position ?? -1,
            top_k: k,
            target: target || null,
            distractor: distractor || null,
            ...(layers ? {} : { layers }),
            job,
          },
          signal,
        }),
      ),
  );
}

/** A node in one of the two runs: the edited one, or, without edits, the baseline. */
export function useComponent(
  spec: Spec,
  position: number | null,
  side: 'baseline' | 'edited',
  topK = 10,
) {
  const { node } = spec;
  const asked = askedOf(spec);
  const edits = side === 'edited' ? spec.edits : [];
  const enabled = isAsked(spec) && node !== null && position !== null;
  const further = furtherOf(spec, 'component');
  const key = [asked, edits, node, position, topK, further];
  return useAnalysis('component', key, enabled, (job, signal) =>
    timedAnswer(
      api.POST('/api/component', {
        body: {
          ...further,
          ...asked,
          edits: wireEdits(edits),
          target: node ?? '',
          position: position ?? -1,
          top_k: topK,
          job,
        },
        signal,
      }),
    ),
  );
}

/** All edits, those that are off too: an error's index is then the card's. */
export function wireEdits(edits: readonly Edit[]): Schemas['EditSpec'][] {
  return edits.map((made) => ({
    target: made.target,
    operation: made.operation,
    stage: made.stage,
    enabled: made.enabled,
    ...(made.value === null ? {} : { value: made.value }),
    ...(made.positions ? { positions: made.positions } : {}),
    ...(made.sign === -1 ? { sign: made.sign } : {}),
    ...(made.pairs ? { pairs: made.pairs } : {}),
    ...(made.between ? { between: made.between } : {}),
    ...(made.renormalise ? { renormalise: true } : {}),
    ...(made.source ? { source: made.source } : {}),
  }));
}
