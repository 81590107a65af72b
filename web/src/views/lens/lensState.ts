/** What the lens reads and shows, beyond what views share: as state, as parts of the address, as the request. */
import { change, useStore } from '../../shared/state/store';
import { choice, field, flag, integer, viewState, type Fields } from '../../shared/text/fields';

export const KINDS = ['top', 'probability', 'logit', 'rank', 'kl', 'entropy'] as const;
export const TEXTS = ['token', 'value'] as const;

export interface LensState {
  /** What colours a cell. */
  kind: (typeof KINDS)[number];
  /** What is written in it: its top token, or the number that colours it. */
  text: (typeof TEXTS)[number];
  /** KL of distributions that are clipped from below first, at a tenth of a uniform one. */
  clipped: boolean;
  /** A row before the first block. */
  include_embedding: boolean;
  /** Rows after every block, every second, ... */
  layer_step: number;
  /** Rows after attention, too. */
  subblocks: boolean;
  /** What reads a state: "final_norm", "last_mlp", "last_block", or from a block on, "L16", "L16.mlp". */
  decoder: string;
}

export const LENS: Readonly<LensState> = {
  kind: 'probability',
  text: 'token',
  clipped: false,
  include_embedding: true,
  layer_step: 1,
  subblocks: false,
  decoder: 'final_norm',
};

const MOST_STEP = 999;
const DECODER = /^(final_norm|last_mlp|last_block|L\d{1,4}(\.mlp)?)$/;

const FIELDS: Fields<LensState> = {
  kind: choice(LENS, 'kind', KINDS),
  /** The name in older links. */
  colour: { ...choice(LENS, 'kind', KINDS), write: () => null },
  text: choice(LENS, 'text', TEXTS),
  emb: flag(LENS, 'include_embedding'),
  step: integer(LENS, 'layer_step', 1, MOST_STEP),
  sub: flag(LENS, 'subblocks'),
  dec: field(LENS, 'decoder', (value) => (DECODER.test(value) ? value : undefined)),
  clip: flag(LENS, 'clipped'),
};

const OPTIONS = ['layer_step', 'include_embedding', 'subblocks', 'decoder'] as const;

/** What the server is asked for, by the names of the options in Python. */
export function lensOptions(state: LensState): Pick<LensState, (typeof OPTIONS)[number]> {
  return Object.fromEntries(OPTIONS.map((name) => [name, state[name]])) as ReturnType<
    typeof lensOptions
  >;
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
