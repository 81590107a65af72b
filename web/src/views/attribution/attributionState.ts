/** What of an attribution is asked for and listed: as state, as parts of the address, as the request. */
import { MOST_PAIRS, readPairs } from './pairing';
import { LIMITS, QUESTIONS } from '../../questions.gen';
import type { Schemas } from '../../shared/api/client';
import { change, useSpec, useStore } from '../../shared/state/store';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import {
  choice,
  field,
  flag,
  integer,
  list,
  text,
  viewState,
  type Fields,
} from '../../shared/text/fields';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';
import { isStep, MOST_STEPS, stepWritten, type Through } from './trail';

export type NodeKind = Schemas['AttributedNode']['kind'];
export const NODE_KINDS = [
  'embed',
  'pair',
  'head',
  'cross_head',
  'query',
  'key',
  'neuron',
  'bias',
  'attn',
  'cross',
  'mlp',
  'mixer',
  'ple',
  'latent',
  'latent_bias',
  'error',
  'stream',
] as const satisfies readonly NodeKind[];
export const GROUPINGS = ['nodes', 'components', 'positions'] as const;
export const SIGNS = ['both', 'positive', 'negative'] as const;
export const SORTS = QUESTIONS.attribute.sort_by.choices;
/** Of what is listed: as the server ranks it, or by a column that it ranks nothing by. */
export const ORDERS = ['listed', 'name', 'position', 'measured'] as const;

/** The others are said by what views share, or in a way of this view's own. */
const OPTIONS = own(QUESTIONS.attribute, [
  'target',
  'distractor',
  'position',
  'sort_by',
  'top_k',
  'kinds',
  'layers',
  'positions',
  'verify',
  'references',
  'align',
]);

/** Options of the question by their names there, and how it is shown. */
export interface Attribution extends Values<typeof OPTIONS> {
  sort_by: (typeof SORTS)[number];
  top_k: number;
  /** Of the nodes listed; null: all. */
  kinds: readonly NodeKind[] | null;
  layers: readonly number[] | null;
  positions: readonly number[] | null;
  /** How many of those listed first are measured. */
  verify: number;
  /** Prompts that values are compared with, one in each line. */
  references: string;
  /** Another prompt, whose attribution stands beside; "": none. */
  beside: string;
  /** Pairs of positions by hand, of this prompt and of that one: "3=4". */
  align: readonly string[];
  grouping: (typeof GROUPINGS)[number];
  sign: (typeof SIGNS)[number];
  /** In the node's name, or in its tokens. */
  find: string;
  order: (typeof ORDERS)[number];
  /** The node whose row is open. */
  open: string | null;
  /** What was traced, one after the other; of the last one the nodes upstream are listed. Empty: the answer. */
  trace: readonly string[];
  /** Of a trace downstream: what readers lose without the node is measured, too. */
  measured: boolean;
}

export const ATTRIBUTION: Readonly<Attribution> = {
  ...defaultsOf(OPTIONS),
  sort_by: QUESTIONS.attribute.sort_by.default,
  top_k: 200,
  kinds: null,
  layers: null,
  positions: null,
  verify: 0,
  references: '',
  beside: '',
  align: [],
  grouping: 'nodes',
  sign: 'both',
  find: '',
  order: 'listed',
  open: null,
  trace: [],
  measured: false,
};

// ------------------------------------------------------------------ the request

export type AttributionBody = Partial<Values<typeof OPTIONS>> &
  Pick<Attribution, 'sort_by' | 'top_k' | 'verify'> & {
    kinds: NodeKind[] | null;
    layers: number[] | null;
    positions: number[] | null;
    target: string | null;
    distractor: string | null;
    references?: string[];
    align?: string[];
  };

/** Of another model or prompt a filter may name what is not there: that is then no filter. */
export function attributionBody(
  state: Attribution,
  asked: { target: string; distractor: string },
  size: { layers: number; positions: number },
): AttributionBody {
  const references = referencesOf(state);
  return {
    ...chosen(state, OPTIONS),
    ...(references.length > 0 ? { references } : {}),
    ...(pairsCount(state) ? { align: [...state.align] } : {}),
    sort_by: state.sort_by,
    top_k: state.top_k,
    verify: Math.min(state.verify, state.top_k),
    kinds: state.kinds && [...state.kinds],
    layers: within(state.layers, size.layers),
    positions: within(state.positions, size.positions),
    target: asked.target || null,
    distractor: asked.distractor || null,
  };
}

/** The estimator that is used, where what agreed best is asked for, too. */
export function settled({
  estimator,
  against,
}: Pick<Attribution, 'estimator' | 'against'>): Exclude<Attribution['estimator'], 'best'> {
  if (estimator !== 'best') return estimator;
  return against === 'prompt' ? 'integrated' : 'gradient';
}

/** Pairs are of the prompt beside: where that is the one to compare with, they count there too. */
function pairsCount(state: Attribution): boolean {
  const others = referencesOf(state);
  const same = others.length === 1 && others[0] === state.beside;
  return state.against === 'prompt' && same && state.align.length > 0;
}

/** Against zero there are none. */
export function referencesOf({ against, references }: Attribution): string[] {
  if (against === 'zero') return [];
  return references.split('\n').filter((line) => line.trim() !== '');
}

function within(numbers: readonly number[] | null, size: number): number[] | null {
  const there = (numbers ?? []).filter((number) => number >= 0 && number < size);
  return there.length > 0 ? there : null;
}

// ------------------------------------------------------------------ the address

const MOST = LIMITS.max_attributed_rows;
const NODE = /^[\w.]{1,40}@\d{1,6}′?(<\d{1,6}′?)?$/;

const numbers = (name: 'layers' | 'positions') =>
  field(
    ATTRIBUTION,
    name,
    (written) => {
      const read = parsePositions(written);
      return Array.isArray(read) && read.every((one) => one >= 0) ? read : undefined;
    },
    (some) => formatPositions([...some]).replaceAll(' ', ''),
  );

const FIELDS: Fields<Attribution> = {
  nby: choice(ATTRIBUTION, 'sort_by', SORTS),
  ntop: integer(ATTRIBUTION, 'top_k', 1, MOST),
  nver: integer(ATTRIBUTION, 'verify', 0, MOST),
  nrefs: text(ATTRIBUTION, 'references'),
  nbes: text(ATTRIBUTION, 'beside'),
  nalign: list<Attribution, string>('align', (written) => {
    const pairs = written.split(',');
    return pairs.length <= MOST_PAIRS && readPairs(pairs) ? pairs : undefined;
  }),
  nkind: field(
    ATTRIBUTION,
    'kinds',
    (written) => {
      const names = written.split(',');
      const good = names.every((name) => NODE_KINDS.some((kind) => kind === name));
      return good ? NODE_KINDS.filter((kind) => names.includes(kind)) : undefined;
    },
    (kinds) => kinds.join(','),
  ),
  nlay: numbers('layers'),
  npos: numbers('positions'),
  ngrp: choice(ATTRIBUTION, 'grouping', GROUPINGS),
  nsign: choice(ATTRIBUTION, 'sign', SIGNS),
  nfind: text(ATTRIBUTION, 'find'),
  nord: choice(ATTRIBUTION, 'order', ORDERS),
  nopen: field(ATTRIBUTION, 'open', (written) => (NODE.test(written) ? written : undefined)),
  ntrace: list<Attribution, string>('trace', (written) => {
    const steps = written.split(',');
    return steps.length <= MOST_STEPS && steps.every(isStep) ? steps : undefined;
  }),
  nmeas: flag(ATTRIBUTION, 'measured'),
  ...optionFields<Attribution>('attribution', OPTIONS, {
    frozen: 'nfroz',
    estimator: 'nest',
    steps: 'nstep',
    against: 'nref',
    pairs: 'npair',
    wholes: 'nwhole',
    verify_all: 'nall',
    sample: 'nruns',
  }),
};

export const attributionState = viewState(ATTRIBUTION, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    attribution: Attribution;
  }
}

export function useAttributionSpec(): Attribution {
  return useSpec().attribution;
}

export function setAttribution(
  patch: Partial<Attribution>,
  how: 'push' | 'replace' = 'push',
): void {
  const { attribution } = useStore.getState().spec;
  change({ attribution: { ...attribution, ...patch } }, how);
}

/** Up- or downstream of a node, after what is traced already. */
export function traceOn(node: string, through: Through | null, down: boolean): void {
  const { trace } = useStore.getState().spec.attribution;
  const step = stepWritten({ node, through, down });
  if (trace.length < MOST_STEPS)
    setAttribution({ trace: [...trace, step], open: null, grouping: 'nodes' });
}
