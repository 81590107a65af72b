/** Which edges are looked for, put in and taken out, and what of them is chosen. */
import { LIMITS, QUESTIONS } from '../../questions.gen';
import { change, useSpec, useStore } from '../../shared/state/store';
import { choice, field, flag, list, text, viewState, type Fields } from '../../shared/text/fields';
import { SETS, type PairSet } from '../../shared/text/pairs';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';

/** The others are said by what views share, or in a way of this view's own. */
const OPTIONS = own(QUESTIONS.circuit, [
  'corrupted',
  'target',
  'distractor',
  'position',
  'threshold',
  'curve',
  'shares',
  'measure_named',
  'scores',
]);

const HELD_OUT = QUESTIONS.circuit_pairs.held_out;

/** Options of the question by their names there, and how it is shown. */
export interface Circuit extends Values<typeof OPTIONS> {
  /** The other prompt. */
  corrupted: string;
  set: PairSet;
  /** Pairs of one's own, as `pairs.ts` writes them. */
  own: string;
  /** Pairs, of several, that the circuit is not found on. */
  held_out: number;
  /** A node, or an edge by its ends: "L11.H3>L13.H3.q". */
  chosen: string | null;
  /** The chosen edge is measured. */
  measured: boolean;
}

export const CIRCUIT: Readonly<Circuit> = {
  ...defaultsOf(OPTIONS),
  corrupted: '',
  set: 'one',
  own: '',
  held_out: HELD_OUT.default,
  chosen: null,
  measured: false,
};

export type CircuitBody = Partial<Values<typeof OPTIONS>>;

export function circuitBody(state: Circuit): CircuitBody {
  return chosen(state, OPTIONS);
}

// ------------------------------------------------------------------ the address

const NODE = '(?:embed|logits|L\\d{1,4}\\.(?:H\\d{1,4}|mlp))';
const READER = '(?:logits|L\\d{1,4}\\.(?:H\\d{1,4}\\.[qkv]|mlp))';
const NAME = new RegExp(
  `^(?:${NODE}(?:@\\d{1,7})?|${NODE}>${READER}|${NODE}(?<at>@\\d{1,7})>${READER}\\k<at>)$`,
);

/** A node of a circuit, or an edge; by position with that, the same at both ends of an edge. */
export function isCircuitName(name: string): boolean {
  return NAME.test(name);
}

const names = (name: 'include' | 'exclude') =>
  list<Circuit, string>(name, (written) => {
    const found = [...new Set(written.split(','))];
    return found.length <= LIMITS.max_circuit_names && found.every(isCircuitName)
      ? found
      : undefined;
  });

const FIELDS: Fields<Circuit> = {
  zcor: text(CIRCUIT, 'corrupted'),
  zset: choice(CIRCUIT, 'set', SETS),
  zown: text(CIRCUIT, 'own'),
  zheld: field(CIRCUIT, 'held_out', (written) => {
    const number = /^\d{1,4}$/.test(written) ? Number(written) : -1;
    return number >= 0 && number < LIMITS.max_pairs ? number : undefined;
  }),
  zat: field(CIRCUIT, 'chosen', (written) => (isCircuitName(written) ? written : undefined)),
  zmeas: flag(CIRCUIT, 'measured'),
  ...optionFields<Circuit>(
    'circuit',
    OPTIONS,
    {
      ablation: 'zabl',
      seed: 'zseed',
      estimator: 'zest',
      steps: 'zstep',
      edges: 'zn',
      by_position: 'zpos',
      include: 'zin',
      exclude: 'zout',
      measure: 'zall',
    },
    { include: names('include'), exclude: names('exclude') },
  ),
};

export const circuitState = viewState(CIRCUIT, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    circuit: Circuit;
  }
}

export function useCircuitSpec(): Circuit {
  return useSpec().circuit;
}

/** Other pairs: what was chosen of the circuit, and how many are held out, was of those before. */
export function setCircuitPairs(patch: { set: PairSet; own?: string }): void {
  setCircuit({ ...patch, held_out: 0, chosen: null, measured: false });
}

export function setCircuit(patch: Partial<Circuit>, how: 'push' | 'replace' = 'push'): void {
  const { circuit } = useStore.getState().spec;
  change({ circuit: { ...circuit, ...patch } }, how);
}
