/** The attribution as a hook, and what one of its nodes writes. */
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, wireEdits, type Analysis } from '../../shared/api/queries';
import { askedOf, isAsked } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import { attributionBody } from './attributionState';

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
