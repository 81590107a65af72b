/** What a component's page asks beside what its drawer does: where it acts, and other texts. */
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, useModel, wireEdits } from '../../shared/api/queries';
import { askedOf, isAsked } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';

/** Readers listed of each kind. */
export const READERS = 8;

type Side = 'baseline' | 'edited';

/** The request for what the node does on the prompt, and where that acts. */
export function actingRequest(spec: Spec, position: number, side: Side) {
  return {
    ...askedOf(spec),
    edits: wireEdits(side === 'edited' ? spec.edits : []),
    target: spec.node ?? '',
    position,
    downstream: READERS,
  } satisfies Schemas['ComponentRequest'];
}

/** Later heads, neurons and latents that read what the node writes at the position. */
export function useActing(spec: Spec, position: number | null, side: Side) {
  const asked = actingRequest(spec, position ?? -1, side);
  const enabled = isAsked(spec) && spec.node !== null && position !== null;
  return useAnalysis('acting', [asked], enabled, (job, signal) =>
    timedAnswer(api.POST('/api/component', { body: { ...asked, top_k: 1, job }, signal })),
  );
}

/** How active the node is in another text, without edits. */
export function useOnText(node: string, other: string) {
  const model = useModel().data;
  const read = model?.has_encoder ? { prompt: other, source: other } : { prompt: other };
  return useAnalysis(
    'component-text',
    [node, read],
    other !== '' && Boolean(model),
    (job, signal) =>
      timedAnswer(
        api.POST('/api/component', { body: { ...read, target: node, top_k: 1, job }, signal }),
      ),
  );
}
