/** What the lens reads and shows, beyond what views share: as state, as parts of the address, as the request. */
import { change, useStore } from '../../shared/state/store';
import { choice, field, flag, viewState, type Fields } from '../../shared/text/fields';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';
import { QUESTIONS } from '../../questions.gen';

export const KINDS = ['top', 'probability', 'logit', 'rank', 'kl', 'entropy'] as const;
export const TEXTS = ['token', 'value'] as const;

/** The others are said by what views share, or by `clipped`. */
const OPTIONS = own(QUESTIONS.lens, ['positions', 'top_k', 'target', 'follow', 'kl_floor']);

/** Options of the question by their names there, and how it is shown. */
export interface LensState extends Values<typeof OPTIONS> {
  /** What colours a cell. */
  kind: (typeof KINDS)[number];
  /** What is written in it: its top token, or the number that colours it. */
  text: (typeof TEXTS)[number];
  /** KL of distributions that are clipped from below first, at a tenth of a uniform one. */
  clipped: boolean;
}

export const LENS: Readonly<LensState> = {
  ...defaultsOf(OPTIONS),
  kind: 'probability',
  text: 'token',
  clipped: false,
};

const DECODER = /^(final_norm|last_mlp|last_block|L\d{1,4}(\.mlp)?)$/;
/** The modules of a suffix: "h.17,final_layernorm,lm_head". */
const MODULES = /^[\w.]{1,256}(,[\w.]{1,256}){1,4095}$/;

function readDecoder(written: string): LensState['decoder'] | undefined {
  if (DECODER.test(written)) return written;
  return MODULES.test(written) ? written.split(',') : undefined;
}

const FIELDS: Fields<LensState> = {
  kind: choice(LENS, 'kind', KINDS),
  /** The name in older links. */
  colour: { ...choice(LENS, 'kind', KINDS), write: () => null },
  text: choice(LENS, 'text', TEXTS),
  ...optionFields<LensState>(
    'lens',
    OPTIONS,
    { layer_step: 'step', include_embedding: 'emb', subblocks: 'sub', decoder: 'dec' },
    { decoder: field(LENS, 'decoder', readDecoder) },
  ),
  clip: flag(LENS, 'clipped'),
};

/** What the server is asked for, beside what views share. */
export function lensOptions(state: LensState): Partial<Values<typeof OPTIONS>> {
  return chosen(state, OPTIONS);
}

export const lensState = viewState(LENS, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    lens: LensState;
  }
}

export function setLens(patch: Partial<LensState>, how: 'push' | 'replace' = 'push'): void {
  const { lens } = useStore.getState().spec;
  change({ lens: { ...lens, ...patch } }, how);
}
