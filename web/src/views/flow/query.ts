/** The flow graph as a hook. */
import { flowBody } from './flowState';
import type { Spec } from '../../shared/text/url';
import { askedOf, isAsked } from '../../shared/text/chat';
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, wireEdits, type Analysis } from '../../shared/api/queries';

export type FlowComparison = Schemas['FlowComparison'];

/** `depth`: layers of the model. What only changes the picture is not asked again. */
export function useFlowGraph(
  spec: Spec,
  position: number | null,
  depth: number,
  enabled: boolean,
): Analysis<FlowComparison> {
  const { edits } = spec;
  const asked = askedOf(spec);
  const options = flowBody(spec.flow, spec.target, depth);
  return useAnalysis(
    'flow',
    [asked, edits, position, options],
    enabled && isAsked(spec) && position !== null && depth > 0,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/flow', {
          body: { ...asked, edits: wireEdits(edits), position: position ?? -1, ...options, job },
          signal,
        }),
      ),
  );
}
