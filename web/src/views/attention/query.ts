/** Attention, the scores of heads and their thumbnails as hooks. */
import {
  PROMPTS,
  readAttention,
  RUNS,
  type Attention,
  type AttentionSide,
} from '../../draw/attention/data';
import { readSafetensors } from '../../draw/safetensors';
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, wireEdits, type Analysis } from '../../shared/api/queries';
import type { JobKind } from '../../shared/api/jobs';
import { askedOf, isAsked } from '../../shared/text/chat';
import { furtherOf } from '../../shared/text/further';
import type { Spec } from '../../shared/text/url';
import { headName, type Head, type Part } from './picks';
import type { AttentionBody } from './request';
import { readThumbnails, type ThumbnailSides } from './thumbnails';

export type HeadScores = Schemas['HeadScores'];

/** `heads`: those that are shown of what is asked for; null `body`: nothing is asked. */
export function useAttention(
  kind: JobKind,
  spec: Spec,
  heads: readonly Head[],
  body: AttentionBody | null,
): Analysis<Attention> {
  const { edits } = spec;
  const asked = askedOf(spec);
  const names = heads.map(headName);
  return useAnalysis(
    kind,
    [asked, edits, body, names],
    body !== null && isAsked(spec),
    async (job, signal) => {
      if (!body) throw new Error('nothing asked');
      const { data, timing } = await timedAnswer(
        api.POST('/api/attention', {
          body: { ...asked, edits: wireEdits(edits), ...body, job },
          parseAs: 'arrayBuffer',
          signal,
        }),
      );
      const sides = body.against === undefined ? RUNS : PROMPTS;
      const attention = readAttention(data as ArrayBuffer, sides);
      return { data: onlyHeads(attention, new Set(names)), timing };
    },
  );
}

/** Without the heads that were asked for only because others of their layer are wanted. */
export function onlyHeads(attention: Attention, names: ReadonlySet<string>): Attention {
  const { meta, baseline, edited } = attention;
  const kept = meta.heads.flatMap((name, at) => (names.has(name) ? [at] : []));
  if (kept.length === meta.heads.length) return attention;
  const some = <Item>(items: readonly Item[]): Item[] => items.filter((_, at) => kept.includes(at));
  const parts = <Values extends Float32Array | null>(values: Values): Values => {
    if (!values) return values;
    const size = values.length / meta.heads.length;
    const found = new Float32Array(kept.length * size);
    for (const [to, from] of kept.entries())
      found.set(values.subarray(from * size, (from + 1) * size), to * size);
    return found as Values;
  };
  const side = (one: AttentionSide): AttentionSide => ({
    ...one,
    values: parts(one.values),
    sink: parts(one.sink),
    sent: parts(one.sent),
    received: parts(one.received),
  });
  return {
    ...attention,
    meta: { ...meta, heads: some(meta.heads), weights: some(meta.weights) },
    baseline: side(baseline),
    edited: edited && side(edited),
  };
}

/** Of all heads; on the prompt with its edits, or on random tokens that come twice. */
export function useHeadScores(spec: Spec, part: Part, enabled: boolean): Analysis<HeadScores> {
  const asked = askedOf(spec);
  const own = spec.attention.scored === 'prompt';
  const { order, score } = spec.attention;
  const further = {
    ...furtherOf(spec, 'heads'),
    ...ofPart(part),
    ...(order === 'score' && score !== '' ? { score } : {}),
  };
  const key = own ? [asked, spec.edits, further] : [further];
  return useAnalysis('heads', key, enabled && (!own || isAsked(spec)), (job, signal) =>
    timedAnswer(
      api.POST('/api/heads', {
        body: { ...further, ...(own ? { ...asked, edits: wireEdits(spec.edits) } : {}), job },
        signal,
      }),
    ),
  );
}

export function useThumbnails(spec: Spec, part: Part, enabled: boolean): Analysis<ThumbnailSides> {
  const { edits } = spec;
  const asked = askedOf(spec);
  const further = { ...furtherOf(spec, 'thumbnails'), ...ofPart(part) };
  return useAnalysis(
    'thumbnails',
    [asked, edits, further],
    enabled && isAsked(spec),
    async (job, signal) => {
      const { data, timing } = await timedAnswer(
        api.POST('/api/thumbnails', {
          body: { ...further, ...asked, edits: wireEdits(edits), job },
          parseAs: 'arrayBuffer',
          signal,
        }),
      );
      return { data: readThumbnails(readSafetensors(data as ArrayBuffer)), timing };
    },
  );
}

function ofPart(part: Part): { part?: Part } {
  return part === 'self' ? {} : { part };
}
