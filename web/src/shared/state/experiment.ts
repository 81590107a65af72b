/** What all views ask about: the prompt's tokens, the position in force, the sides that are shown. */
import { useEffect } from 'react';
import { ApiError } from '../api/client';
import { useTokens, type ModelInfo } from '../api/queries';
import type { Schemas } from '../api/client';
import { askedOf, isAsked } from '../text/chat';
import type { Spec } from '../text/url';
import { notify, useSpec, useStore } from './store';

export interface Experiment {
  tokens: Schemas['Token'][] | null;
  position: number | null;
  error: ApiError | null;
  waiting: boolean;
  retry: () => void;
}

/** Views wait for the tokens: only they say where the mask is and how many positions there are. */
export function useExperiment(model: ModelInfo | null): Experiment {
  const spec = useSpec();
  const query = useTokens(askedOf(spec), model !== null);
  const tokens = query.data?.tokens ?? null;
  const position = tokens && model ? resolvePosition(tokens, spec.position, model) : null;
  useEffect(() => {
    if (tokens) useStore.setState({ positions: tokens.length, position });
  }, [tokens, position]);
  const beyond = tokens !== null && spec.position !== null && spec.position >= tokens.length;
  useEffect(() => {
    if (beyond) notify(`This prompt has no position ${spec.position}: its last one is shown.`);
  }, [beyond, spec.position]);
  return {
    tokens,
    position,
    error: query.error instanceof ApiError ? query.error : null,
    waiting: model !== null && isAsked(spec) && !tokens && !query.error,
    retry: () => void query.refetch(),
  };
}

function resolvePosition(
  tokens: Schemas['Token'][],
  wanted: number | null,
  model: ModelInfo,
): number | null {
  if (tokens.length === 0) return null;
  const last = tokens.length - 1;
  if (wanted !== null) return Math.min(wanted, last);
  const mask =
    model.mask_token === null
      ? -1
      : tokens.findIndex((token) => token.text.trim() === model.mask_token);
  if (mask >= 0) return mask;
  // of a model that reads both ways nothing is next: its last word says more than the mark behind it
  const word = model.kind === 'masked' ? tokens.findLastIndex(({ special }) => !special) : -1;
  return word >= 0 ? word : last;
}

/** Without edits, or two prompts, there is only the baseline; holding Space shows it too. */
export function useMode(two = false): Spec['mode'] {
  const { edits, mode } = useSpec();
  const holding = useStore((state) => state.holding);
  return holding || !(two || edits.some((made) => made.enabled)) ? 'baseline' : mode;
}
