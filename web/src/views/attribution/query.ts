/** The attribution as a hook, and what one of its nodes writes. */
import { useMemo } from 'react';
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, wireEdits, type Analysis } from '../../shared/api/queries';
import { askedOf, isAsked } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import { attributionBody } from './attributionState';
import { traceBody, tracedSides } from './tracing';

export type Comparison = Schemas['AttributionComparison'];

/** `size`: of the model and the prompt. What only changes the table is not asked again. */
export function useAttribution(
  spec: Spec,
  position: number | null,
  size: { layers: number; positions: number },
  enabled: boolean,
  kind: 'attribute' | 'attribute-beside' = 'attribute',
): Analysis<Comparison> {
  const { edits } = spec;
  const asked = askedOf(spec);
  const options = attributionBody(spec.attribution, spec, size);
  return useAnalysis(
    kind,
    [asked, edits, position, options],
    enabled && isAsked(spec) && position !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/attribute', {
          body: { ...asked, edits: wireEdits(edits), position: position ?? -1, ...options, job },
          signal,
        }),
      ),
  );
}

export interface Traced extends Analysis<Comparison> {
  trace: Schemas['TraceComparison'] | null;
}

/** What every node upstream of the last one of the trail does to it, as an attribution. */
export function useTrace(
  spec: Spec,
  position: number | null,
  size: { layers: number; positions: number },
  enabled: boolean,
): Traced {
  const { edits, attribution } = spec;
  const asked = askedOf(spec);
  const { target, distractor, top_k, kinds, layers, positions } = attributionBody(
    attribution,
    spec,
    size,
  );
  const options = {
    ...traceBody(attribution),
    ...{ target, distractor, top_k, kinds, layers, positions },
  };
  const analysis = useAnalysis(
    'trace',
    [asked, edits, position, options],
    enabled && attribution.trace.length > 0 && isAsked(spec) && position !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/trace', {
          body: { ...asked, edits: wireEdits(edits), position: position ?? -1, ...options, job },
          signal,
        }),
      ),
  );
  const data = useMemo(() => analysis.data && tracedSides(analysis.data), [analysis.data]);
  return { ...analysis, data, trace: analysis.data };
}

/** What a component writes at a position, and what that promotes, in one of the two runs. */
export function useWritten(
  spec: Spec,
  node: string | null,
  position: number,
  side: 'baseline' | 'edited',
): Analysis<Schemas['Component']> {
  const edits = side === 'edited' ? spec.edits : [];
  const asked = askedOf(spec);
  return useAnalysis('written', [asked, edits, node, position], node !== null, (job, signal) =>
    timedAnswer(
      api.POST('/api/component', {
        body: { ...asked, edits: wireEdits(edits), target: node ?? '', position, top_k: 8, job },
        signal,
      }),
    ),
  );
}
