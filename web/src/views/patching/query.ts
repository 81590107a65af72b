/** The patching grid as a hook. */
import { api, timedAnswer, type Schemas } from '../../shared/api/client';
import { useAnalysis, type Analysis } from '../../shared/api/queries';
import { askedOf, isAsked, promptOf } from '../../shared/text/chat';
import { furtherOf } from '../../shared/text/further';
import { pairsAsked } from '../../shared/text/pairs';
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

export type Study = Schemas['PatchStudy'];

/** The mean over a set of pairs; the prompt of the page is no part of it. */
export function usePatchStudy(spec: Spec, enabled: boolean): Analysis<Study> {
  const { set, own } = spec.patching;
  const { site, into } = patchingBody(spec.patching);
  const of = pairsAsked(set, own);
  const options = {
    ...furtherOf(spec, 'patch_pairs'),
    ...(site ? { site } : {}),
    ...(into ? { into } : {}),
    ...of,
  };
  return useAnalysis('patch-pairs', [options], enabled && of !== null, (job, signal) =>
    timedAnswer(api.POST('/api/patch/pairs', { body: { ...options, job }, signal })),
  );
}
