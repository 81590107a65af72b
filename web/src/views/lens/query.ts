/** The lens as a hook. */
import { readLens, type Lens } from '../../draw/lens/data';
import { askedOf, isAsked } from '../../shared/text/chat';
import { api, timedAnswer } from '../../shared/api/client';
import { useAnalysis, wireEdits, type Analysis } from '../../shared/api/queries';
import { scoring, type Spec } from '../../shared/text/url';
import { lensOptions } from './lensState';

/** `positions`: those of the prompt that are read; null is all. */
export function useLens(
  spec: Spec,
  positions: number[] | null,
  vocabulary: number,
  enabled: boolean,
): Analysis<Lens> {
  const { edits } = spec;
  const asked = askedOf(spec);
  const options = {
    positions,
    ...lensOptions(spec.lens),
    kl_floor: spec.lens.clipped ? 1 / (10 * vocabulary) : null,
    ...scoring(spec),
  };
  return useAnalysis(
    'lens',
    [asked, edits, options],
    enabled && isAsked(spec),
    async (job, signal) => {
      const body = { ...asked, edits: wireEdits(edits), ...options, job };
      const { data, timing } = await timedAnswer(
        api.POST('/api/lens', { body, parseAs: 'arrayBuffer', signal }),
      );
      return { data: readLens(data as ArrayBuffer), timing };
    },
  );
}
