/** Edits as plain data: what a card says of one, how a field is read. */
import { LIMITS, OPERATIONS } from '../../questions.gen';
import { saidOf } from './chat';
import { kindOf, type Kind } from './address';

export type Operation = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as Operation[];
export type Stage = 'pre' | 'post';

export interface Edit {
  target: string;
  operation: Operation;
  value: number | number[] | null;
  positions: number[] | null;
  stage: Stage;
  /** Of "on": −1 sets a negative activation. */
  sign: 1 | -1;
  source: PatchSource | null;
  /** Of "knock_out": positions of query and key. */
  pairs: Pair[] | null;
  /** Of "knock_out", in place of pairs: those of a sentence pair. */
  between: Between | null;
  /** Of "knock_out": what is left of a row sums to what all of it did. */
  renormalise: boolean;
  enabled: boolean;
}

/** Where a patch takes its activation from. */
export interface PatchSource {
  prompt: string;
  positions: number[] | null;
  /** What the encoder of an encoder-decoder reads there; absent: the same as here. */
  source?: string;
  /** The second text of a sentence pair there; absent: there is none. */
  pair?: string;
  /** Absent: of each position what it is there. */
  take?: Take;
  /** Of what is drawn; absent: 0. */
  seed?: number;
}

/** What a patch takes besides the same positions: their mean there, or what is drawn from them. */
export type Take = 'mean' | 'drawn';

export type Pair = [query: number, key: number];
export type Between = 'within' | 'across';

export function edit(
  target: string,
  operation: Operation = 'zero',
  value: Edit['value'] = null,
): Edit {
  return {
    target,
    operation,
    value,
    positions: null,
    stage: 'post',
    sign: 1,
    source: null,
    pairs: null,
    between: null,
    renormalise: false,
    enabled: true,
  };
}

const OPERATION_WORDS: Record<Operation, string> = {
  zero: 'off (zero)',
  on: 'on, as the layer’s strongest',
  scale: 'scale',
  set_to: 'set to',
  add: 'add',
  patch: 'patch',
  lmd_off: 'LM-Debugger off',
  lmd_on: 'LM-Debugger on',
  cut: 'cut',
  mask: 'mask',
  knock_out: 'knock out pairs',
};

export function operationWords(operation: Operation): string {
  return OPERATION_WORDS[operation];
}

/** What an operation does, in a sentence. */
export const OPERATION_HELP: Record<Operation, string> = {
  zero: 'Writes nothing: its activation is 0.',
  on: 'Writes as much as the strongest neuron of its layer does in the unedited run: activation = max |score| ÷ ‖value vector‖. A negative one writes the value vector the other way round.',
  scale: 'Its activation times a factor: −1 turns it round, 2 doubles it.',
  set_to: 'Its activation is this number, or this vector.',
  add: 'This number, or this vector, is added to its activation.',
  patch:
    'Its activation is the one it has on another prompt; or its mean over that prompt, or drawn from it.',
  lmd_off: 'As LM-Debugger does it: the pre-activation is 0, at every position.',
  lmd_on:
    'As LM-Debugger does it: the pre-activation is the largest |m|·‖v‖ of the layer + 0.01, at every position.',
  cut: 'What it passes on in the unedited run is taken away where it arrives, at this position.',
  mask: 'The model reads its mask token in place of these tokens; what it predicts there fills the gap.',
  knock_out:
    'These queries no longer look at these keys. Renormalised, a query shares out among the others what it gave to them.',
};

/** Those that can be chosen for a node; cuts are made where the flow graph is drawn. */
export const CHOOSABLE = OPERATION_NAMES.filter((name) => name !== 'cut');

/** Whether the table of nodes has the operation for nodes of this kind. */
export function fitsKind(operation: Operation, kind: Kind): boolean {
  if (operation === 'mask' || operation === 'knock_out')
    return kindOf(kind).operations.includes(operation);
  return kind === 'neuron' || !forNeurons(operation);
}

const TAKEN = { same: 'patch from', mean: 'mean over', drawn: 'drawn from' } as const;

/** "zero", "on", "× 2", "= 0.5", "+ 1", "patch from “Paris is”". */
export function describeOperation(made: Edit): string {
  const value = Array.isArray(made.value)
    ? `[${made.value.length} numbers]`
    : String(made.value ?? '').replace('-', '−');
  switch (made.operation) {
    case 'zero':
      return 'off';
    case 'scale':
      return `× ${value}`;
    case 'set_to':
      return `= ${value}`;
    case 'add':
      return `+ ${value}`;
    case 'patch':
      return `${TAKEN[made.source?.take ?? 'same']} “${made.source ? saidOf(made.source) : ''}”`;
    case 'on':
      return made.sign === 1 ? 'on' : 'on, negative';
    case 'mask':
      return 'masked';
    case 'knock_out':
      return `without ${pairWords(made)}${made.renormalise ? ', renormalised' : ''}`;
    default:
      return OPERATION_WORDS[made.operation];
  }
}

/** "14<3, 15<3", "12 pairs", "pairs across both texts". */
function pairWords(made: Edit): string {
  if (made.between !== null)
    return made.between === 'across' ? 'pairs across both texts' : 'pairs within each text';
  if (made.pairs === null) return 'this pair';
  return made.pairs.length > 4 ? `${made.pairs.length} pairs` : formatPairs(made.pairs);
}

/** Pairs as a person writes them: "14<3, 15<3". */
export function formatPairs(pairs: readonly Pair[] | null): string {
  return (pairs ?? []).map(([query, key]) => `${query}<${key}`).join(', ');
}

/** Reads "14<3, 15<-1"; "" is none (null); a string is what is wrong. */
export function parsePairs(
  text: string,
  most: number = LIMITS.max_edit_pairs,
): Pair[] | null | string {
  if (text.trim() === '') return null;
  const pairs: Pair[] = [];
  for (const part of text.split(',')) {
    const found = /^\s*(-?\d{1,7})\s*<\s*(-?\d{1,7})\s*$/.exec(part);
    if (!found) return `“${part.trim()}” is no pair: write 14<3 for query 14 and key 3.`;
    pairs.push([Number(found[1]), Number(found[2])]);
  }
  return pairs.length > most ? `At most ${most} pairs can be named.` : pairs;
}

/** Only neurons have an activation that these could set. */
export function forNeurons(operation: Operation): boolean {
  return operation === 'on' || operation === 'lmd_on' || operation === 'lmd_off';
}

/** What the parts of each operation may be, as the server checks them. */
interface Rule {
  /** "vector": one number, or several. */
  takes: 'nothing' | 'number' | 'vector' | 'source' | 'pairs';
  stage: boolean;
  sign: boolean;
  /** How many positions: any number, or none for every one; at most one; at least one; none. */
  places: 'any' | 'one' | 'named' | 'none';
}

export const RULES: Readonly<Record<Operation, Rule>> = OPERATIONS;

export function takesValue(operation: Operation): boolean {
  return RULES[operation].takes === 'number' || RULES[operation].takes === 'vector';
}

export function takesSign(operation: Operation): boolean {
  return RULES[operation].sign;
}

export function takesPairs(operation: Operation): boolean {
  return RULES[operation].takes === 'pairs';
}

export function takesPositions(operation: Operation): boolean {
  return RULES[operation].places !== 'none';
}

export function takesStage(operation: Operation): boolean {
  return RULES[operation].stage;
}

/** Positions as a person writes them: "3-5, 9". */
export function formatPositions(positions: readonly number[] | null): string {
  if (!positions) return '';
  const parts: string[] = [];
  for (let start = 0; start < positions.length;) {
    let end = start;
    while (
      end + 1 < positions.length &&
      positions[end + 1] === (positions[end] ?? 0) + 1 &&
      (positions[start] ?? -1) >= 0
    )
      end++;
    parts.push(
      end - start >= 2
        ? `${positions[start]}-${positions[end]}`
        : positions.slice(start, end + 1).join(', '),
    );
    start = end + 1;
  }
  return parts.join(', ');
}

/** Where an edit acts, in a few letters; a name may say it itself: "L9.H6@14<3". */
export function whereWords(made: Edit): string {
  if (takesPairs(made.operation)) return '';
  if (made.positions) return `@ ${formatPositions(made.positions)}`;
  return made.target.includes('@') ? '' : 'everywhere';
}

/** Reads "3-5, 9, -1"; "" is every position (null); a string is what is wrong. */
export function parsePositions(text: string, most = 4096): number[] | null | string {
  if (text.trim() === '') return null;
  const positions = new Set<number>();
  for (const part of text.split(',')) {
    const found = /^\s*(-?\d{1,7})(?:\s*[-–]\s*(\d{1,7}))?\s*$/.exec(part);
    if (!found) return `“${part.trim()}” is no position: write 3, or 3-5, or -1 for the last.`;
    const first = Number(found[1]);
    const last = found[2] === undefined ? first : Number(found[2]);
    if (last < first || (first < 0 && found[2] !== undefined))
      return `“${part.trim()}” is no range.`;
    if (last - first >= most) return `At most ${most} positions can be named.`;
    for (let position = first; position <= last; position++) positions.add(position);
  }
  if (positions.size > most) return `At most ${most} positions can be named.`;
  return [...positions].toSorted((a, b) => a - b);
}

/** Reads one number, or a list of numbers parted by commas; a string is what is wrong. */
export function parseValue(text: string): number | number[] | string {
  const numbers = text
    .replaceAll('−', '-')
    .split(',')
    .map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (!numbers.every(Number.isFinite)) return 'Write a number, or numbers parted by commas.';
  return numbers.length === 1 ? (numbers[0] ?? 0) : numbers;
}
