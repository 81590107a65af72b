/** What the attention view shows: as state, as parts of the address, as options of the request. */
import { QUESTIONS } from '../../questions.gen';
import type { Focus } from '../../draw/attention/shown';
import { change, useSpec, useStore } from '../../shared/state/store';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { choice, field, flag, list, text, viewState, type Fields } from '../../shared/text/fields';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';
import { formatPicks, parsePicks, type HeadPick } from './pickNames';

export const LAYOUTS = ['columns', 'matrix', 'both'] as const;
export const SIDES = ['difference', 'beside'] as const;
export const SCORED = ['prompt', 'repeats'] as const;
export const ORDERS = ['layer', ...QUESTIONS.heads.kind.choices, 'score'] as const;
export type Order = (typeof ORDERS)[number];

/** The others are said by what views share, or in another way. */
const OPTIONS = own(QUESTIONS.attention, [
  'part',
  'layers',
  'heads',
  'weights',
  'queries',
  'against',
  'target',
  'distractor',
]);

/** Options of the question by their names there, and how it is shown. */
export interface AttentionState extends Values<typeof OPTIONS> {
  /** None: all of the layer in the middle. */
  picks: readonly HeadPick[];
  /** Which positions look: all, the chosen one, or these. */
  queries: 'all' | 'position' | readonly number[];
  /** Another prompt, beside the own one; "": none. */
  against: string;
  layout: (typeof LAYOUTS)[number];
  /** Where both runs are shown: their difference, or one beside the other. */
  versus: (typeof SIDES)[number];
  /** What is left of a row that a pair is cut from sums to what all of it did. */
  renormalise: boolean;
  /** Of the thumbnails: by layer, or by what heads do. */
  order: Order;
  /** A sum of scores, typed: "induction - 0.5*first". */
  score: string;
  /** What heads are scored on: the prompt, or random tokens that come twice. */
  scored: (typeof SCORED)[number];
  /** Only heads whose name has this. */
  find: string;
  focus: Focus | null;
}

export const ATTENTION: Readonly<AttentionState> = {
  ...defaultsOf(OPTIONS),
  picks: [],
  queries: 'all',
  against: '',
  layout: 'columns',
  versus: 'difference',
  renormalise: false,
  order: 'layer',
  score: '',
  scored: 'prompt',
  find: '',
  focus: null,
};

function readQueries(written: string): AttentionState['queries'] | undefined {
  if (written === 'position') return written;
  const positions = parsePositions(written);
  return Array.isArray(positions) ? positions : undefined;
}

function writeQueries(queries: AttentionState['queries']): string {
  return typeof queries === 'string' ? queries : formatPositions(queries).replaceAll(' ', '');
}

function readFocus(written: string): Focus | undefined {
  const found = /^([qk])(\d{1,7})$/.exec(written);
  return found
    ? { side: found[1] === 'q' ? 'query' : 'key', position: Number(found[2]) }
    : undefined;
}

const FIELDS: Fields<AttentionState> = {
  ah: list<AttentionState, HeadPick>(
    'picks',
    (value) => parsePicks(value) ?? undefined,
    formatPicks,
  ),
  aq: field(ATTENTION, 'queries', readQueries, writeQueries),
  aother: text(ATTENTION, 'against'),
  ashow: choice(ATTENTION, 'layout', LAYOUTS),
  avs: choice(ATTENTION, 'versus', SIDES),
  aren: flag(ATTENTION, 'renormalise'),
  aby: choice(ATTENTION, 'order', ORDERS),
  asum: text(ATTENTION, 'score'),
  aon: choice(ATTENTION, 'scored', SCORED),
  afind: text(ATTENTION, 'find'),
  afat: field(
    ATTENTION,
    'focus',
    readFocus,
    ({ side, position }) => `${side === 'query' ? 'q' : 'k'}${position}`,
  ),
  ...optionFields<AttentionState>('attention', OPTIONS, {
    measure: 'am',
    combine: 'ac',
    special: 'asp',
    mass: 'amass',
    between: 'abt',
  }),
};

/** What the server is asked for, beside what is said in another way; only a sentence pair has pairs between its texts. */
export function attentionOptions(
  state: AttentionState,
  paired = false,
): Partial<Values<typeof OPTIONS>> {
  return chosen(paired ? state : { ...state, between: ATTENTION.between }, OPTIONS);
}

export const attentionState = viewState(ATTENTION, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    attention: AttentionState;
  }
}

export function useAttentionSpec(): AttentionState {
  return useSpec().attention;
}

export function setAttention(
  patch: Partial<AttentionState>,
  how: 'push' | 'replace' = 'push',
): void {
  const { attention } = useStore.getState().spec;
  change({ attention: { ...attention, ...patch } }, how);
}
