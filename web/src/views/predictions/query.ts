/** What layers added, and the labels of a model for classification, as hooks. */
import { askedOf, isAsked } from '../../shared/text/chat';
import { api, timedAnswer } from '../../shared/api/client';
import { useAnalysis, wireEdits } from '../../shared/api/queries';
import type { Schemas } from '../../shared/api/client';
import { furtherOf } from '../../shared/text/further';
import type { Spec } from '../../shared/text/url';

/** What each layer added, taken apart: asked for after the predictions, which it would hold up. */
export function useUpdates(spec: Spec, position: number | null, enabled: boolean) {
  const { edits } = spec;
  const asked = askedOf(spec);
  const { parts } = spec.predictions;
  const further = furtherOf(spec, 'predictions');
  return useAnalysis(
    'updates',
    [asked, edits, position, parts, further],
    enabled && isAsked(spec) && position !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/predictions', {
          body: {
            ...further,
            ...asked,
            edits: wireEdits(edits),
            position: position ?? -1,
            top_k: 1,
            sub_updates: parts,
            job,
          },
          signal,
        }),
      ),
  );
}

export type LabelScores = Schemas['LabelScores'];

/** Which labels a model for classification gives the prompt. */
export function useLabels(spec: Spec) {
  const { edits, k } = spec;
  const asked = askedOf(spec);
  const further = furtherOf(spec, 'labels');
  return useAnalysis('labels', [asked, edits, k, further], isAsked(spec), (job, signal) =>
    timedAnswer(
      api.POST('/api/labels', {
        body: { ...further, ...asked, edits: wireEdits(edits), top_k: k, job },
        signal,
      }),
    ),
  );
}
