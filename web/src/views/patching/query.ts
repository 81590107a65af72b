/** The patching grid as a hook. */
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, type Analysis } from '../../shared/api/queries';
import { askedOf, isAsked, promptOf } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import { patchingBody } from './patchingState';

export type Grid = Schemas['PatchGrid'];

/** Edits are no part of it: the two prompts are run as they are. */
export function usePatchGrid(
  spec: Spec,
  position: number | null,
  enabled: boolean,
): Analysis<Grid> {
  const asked = askedOf(spec);
  const corrupted = promptOf({ prompt: spec.patching.corrupted, chat: spec.chat });
  const options = {
    ...patchingBody(spec.patching),
    target: spec.target || null,
    distractor: spec.distractor || null,
  };
  return useAnalysis(
    'patch',
    [asked, corrupted, position, options],
    enabled && isAsked(spec) && spec.patching.corrupted !== '' && position !== null,
    (job, signal) =>
      timedAnswer(
        api.POST('/api/patch', {
          body: { ...asked, corrupted, position: position ?? -1, ...options, job },
          signal,
        }),
      ),
  );
}
