/** What is filled in of an autoencoder to be trained, and which one is looked at: as parts of the address. */
import { QUESTIONS } from '../../questions.gen';
import { change, useSpec, useStore } from '../../shared/state/store';
import {
  choice,
  field,
  flag,
  integer,
  text,
  viewState,
  type Fields,
} from '../../shared/text/fields';

const ASKED = QUESTIONS.sae_train;
export const ACTIVATIONS = ASKED.activation.choices;
export const KINDS = ['autoencoder', 'transcoder'] as const;
export const SITES = [
  'resid_post',
  'mlp_out',
  'attn_out',
  'resid_pre',
  'resid_mid',
  'mlp_in',
  'mlp_post',
  'z',
] as const;
export const SOURCES = ['corpus', 'files'] as const;
export const MOST = { latents: ASKED.latents.high, tokens: 999_999_999, uses: ASKED.uses.high };

export interface LatentsState {
  kind: (typeof KINDS)[number];
  /** Null: the one in the middle. */
  layer: number | null;
  site: (typeof SITES)[number];
  latents: number;
  k: number;
  activation: (typeof ACTIVATIONS)[number];
  skip: boolean;
  tokens: number;
  uses: number;
  source: (typeof SOURCES)[number];
  /** "": the first that there is. */
  corpus: string;
  /** "": made of the rest. */
  name: string;
  /** Whose curves are shown; "": those of the one that is being trained, or of none. */
  shown: string;
}

export const LATENTS: Readonly<LatentsState> = {
  kind: 'autoencoder',
  layer: null,
  site: 'resid_post',
  latents: ASKED.latents.default,
  k: ASKED.k.default,
  activation: ASKED.activation.default,
  skip: false,
  tokens: ASKED.tokens.default,
  uses: ASKED.uses.default,
  source: 'corpus',
  corpus: '',
  name: '',
  shown: '',
};

const FIELDS: Fields<LatentsState> = {
  lkind: choice(LATENTS, 'kind', KINDS),
  llayer: field(LATENTS, 'layer', (value) => (/^\d{1,4}$/.test(value) ? Number(value) : undefined)),
  lsite: choice(LATENTS, 'site', SITES),
  lsize: integer(LATENTS, 'latents', 1, MOST.latents),
  lk: integer(LATENTS, 'k', 1, MOST.latents),
  lact: choice(LATENTS, 'activation', ACTIVATIONS),
  lskip: flag(LATENTS, 'skip'),
  ltok: integer(LATENTS, 'tokens', 1, MOST.tokens),
  luses: integer(LATENTS, 'uses', 1, MOST.uses),
  lfrom: choice(LATENTS, 'source', SOURCES),
  lcorpus: text(LATENTS, 'corpus'),
  lname: text(LATENTS, 'name'),
  lshown: text(LATENTS, 'shown'),
};

export const latentsState = viewState(LATENTS, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    /** An autoencoder to be trained, and which one is looked at. */
    latents: LatentsState;
  }
}

export function useLatents(): LatentsState {
  return useSpec().latents;
}

export function setLatents(patch: Partial<LatentsState>): void {
  const { latents } = useStore.getState().spec;
  change({ latents: { ...latents, ...patch } }, 'replace');
}
