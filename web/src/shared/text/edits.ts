/** Edits as plain data: what a card says, how a field is read, what is wrong with it. */
import { LIMITS, OPERATIONS } from '../../questions.gen';
import { saidOf } from './chat';
import {
  checkTarget,
  flowMisfit,
  kindOf,
  parseTarget,
  type Dimensions,
  type Kind,
  type Target,
} from './address';

export type Operation = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as Operation[];
/** Edits that a switch makes: at most one of them stands for a node. */
export const SWITCHES = ['zero', 'on', 'lmd_off', 'lmd_on'] as const;
export type Switch = (typeof SWITCHES)[number];
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

export interface EditModel extends Dimensions {
  d_model: number;
  d_head: number;
}

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

const RULES: Readonly<Record<Operation, Rule>> = OPERATIONS;

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

export interface EditProblem {
  field: 'target' | 'value' | 'positions' | 'stage' | 'sign' | 'source' | 'pairs';
  message: string;
}

/** What does not fit the operation, whatever the model. */
export function partsProblem(made: Edit): EditProblem | null {
  const { operation, value, positions, source } = made;
  const rule = RULES[operation];
  const said = operationWords(operation);
  const problem = (field: EditProblem['field'], message: string) => ({ field, message });
  const target = parseTarget(made.target);
  if (forNeurons(operation) && target?.kind !== 'neuron')
    return problem('target', 'Only a neuron can be switched on, as in L12.N512.');
  if (rule.takes === 'source' && !source?.prompt && !source?.source)
    return problem('source', 'A patch needs the prompt that it takes the activation from.');
  if (source?.take === 'drawn' && source.positions)
    return problem('source', 'What is drawn is drawn from all positions: leave them empty.');
  if (rule.takes !== 'source' && source)
    return problem('source', `“${said}” takes nothing from another prompt.`);
  if (!takesValue(operation) && value !== null)
    return problem('value', `“${said}” takes no value.`);
  if (takesValue(operation) && value === null)
    return problem('value', 'This operation needs a value.');
  if (rule.takes === 'number' && Array.isArray(value))
    return problem('value', 'A factor is one number.');
  if (!rule.stage && made.stage !== 'post')
    return problem('stage', `“${said}” says itself where it acts.`);
  if (target && !kindOf(target.kind).stages.includes(made.stage))
    return problem('stage', 'Only a neuron has something before its activation.');
  if (!rule.sign && made.sign !== 1) return problem('sign', `“${said}” has no sign.`);
  if (rule.places === 'one' && positions !== null && positions.length !== 1)
    return problem('positions', `“${said}” acts at one position.`);
  if (rule.places === 'named' && !positions?.length && !made.target.includes('@'))
    return problem('positions', 'Say which tokens: 3-5, 9 or -1.');
  if (rule.places === 'none' && positions !== null)
    return problem('positions', 'The pairs say where.');
  const pairsWrong = pairsProblem(made, target);
  if (pairsWrong) return pairsWrong;
  if (operation !== 'cut' && positions !== null && made.target.includes('@'))
    return problem('positions', 'The name says the position already.');
  return null;
}

/** Whether pairs are named in one way of three, of what has a pattern; or tokens masked. */
function pairsProblem(made: Edit, target: Target | null): EditProblem | null {
  if (made.operation === 'mask' && target && target.kind !== 'embed')
    return { field: 'target', message: 'Tokens are masked, whose name is embed.' };
  const named = [made.pairs, made.between].filter((one) => one !== null).length;
  const isPair = made.target.includes('<');
  if (!takesPairs(made.operation))
    return named > 0 || made.renormalise
      ? { field: 'pairs', message: `“${operationWords(made.operation)}” takes no pairs.` }
      : null;
  const attends = target?.kind === 'site' ? /pattern$/.test(target.site) : true;
  const fits = target === null || target.kind === 'site' || fitsKind('knock_out', target.kind);
  if (!attends || !fits || (made.target.includes('@') && !isPair))
    return { field: 'target', message: 'Only a head, attention of a layer or a pair has pairs.' };
  if (named + Number(isPair) !== 1)
    return {
      field: 'pairs',
      message: named + Number(isPair) === 0 ? 'Say which pairs: 14<3, 15<3.' : 'Name pairs once.',
    };
  return null;
}

/** What the model would refuse about an edit, before it is sent. */
export function editProblem(made: Edit, model: EditModel): EditProblem | null {
  if (made.operation === 'cut') {
    const problem = flowMisfit(made.target, model);
    return problem === null ? partsProblem(made) : { field: 'target', message: problem };
  }
  const checked = checkTarget(made.target, model);
  if ('problem' in checked) return { field: 'target', message: checked.problem };
  const problem = partsProblem(made) ?? maskProblem(made, model);
  if (problem) return problem;
  if (Array.isArray(made.value)) {
    const width =
      checked.target.kind === 'head' || checked.target.kind === 'cross_head'
        ? model.d_head
        : checked.target.kind === 'neuron' || checked.target.kind === 'latent'
          ? 1
          : model.d_model;
    if (made.value.length !== width) {
      return {
        field: 'value',
        message: `One number, or ${width} of them: this list has ${made.value.length}.`,
      };
    }
  }
  return null;
}

function maskProblem(made: Edit, model: EditModel): EditProblem | null {
  if (made.operation !== 'mask') return null;
  const able = model.capabilities?.find((capability) => capability.name === 'mask');
  if (able?.available) return null;
  return {
    field: 'target',
    message: `No token can be masked: ${able?.reason ?? 'see the model'}.`,
  };
}

/** Tokens that edits in force mask, in ascending order. */
export function maskedAt(edits: readonly Edit[]): number[] {
  const masks = edits.filter((made) => made.enabled && made.operation === 'mask');
  const own = masks.map((made) => /@(-?\d+)$/.exec(made.target)?.[1]).filter((at) => at);
  const positions = [...masks.flatMap((made) => made.positions ?? []), ...own.map(Number)];
  return [...new Set(positions)].toSorted((a, b) => a - b);
}

/** With a token masked; where it is already, without: one edit holds all that are masked so. */
export function withMask(edits: readonly Edit[], position: number): Edit[] {
  const back = maskedAt(edits).includes(position);
  const isMask = (made: Edit) => made.operation === 'mask' && made.enabled;
  if (back)
    return edits.flatMap((made) => {
      if (!isMask(made)) return [made];
      if (made.target === `embed@${position}`) return [];
      const positions = made.positions?.filter((at) => at !== position) ?? null;
      return positions?.length === 0 ? [] : [{ ...made, positions }];
    });
  const at = edits.findIndex((made) => isMask(made) && made.positions !== null);
  const before = edits[at];
  if (!before) return [...edits, { ...edit('embed', 'mask'), positions: [position] }];
  const positions = [...(before.positions ?? []), position].toSorted((a, b) => a - b);
  return edits.with(at, { ...before, positions });
}

/** The edit that x adds: everywhere the node is zero. */
export function isPlainAblation(made: Edit, target: string): boolean {
  return isSwitch(made, target) && made.operation === 'zero';
}

/** One of the switches of a node, at every position. */
function isSwitch(made: Edit, target: string): boolean {
  return (
    made.target === target &&
    made.positions === null &&
    made.stage === 'post' &&
    SWITCHES.some((name) => name === made.operation)
  );
}

/** Which way a node is switched at every position; null where it is left as it is. */
export function switchOf(edits: readonly Edit[], target: string): Switch | null {
  const found = edits.findLast((made) => made.enabled && isSwitch(made, target));
  return found?.sign === 1 ? (found.operation as Switch) : null;
}

/** Switches a node: in place of how it was switched before; the same way again takes it back. */
export function switched(edits: readonly Edit[], target: string, operation: Switch): Edit[] {
  const at = edits.findIndex((made) => isSwitch(made, target));
  const before = edits[at];
  if (!before) return [...edits, edit(target, operation)];
  if (before.operation === operation && before.sign === 1 && before.enabled)
    return edits.toSpliced(at, 1);
  return edits.with(at, edit(target, operation));
}

// ------------------------------------------------------------------ cuts of the flow graph

/** What takes a node or link of the flow graph away, with the position at its end: "L14.H7@8". */
export interface Cut {
  operation: 'zero' | 'cut';
  target: string;
}

/** As an edit like others: "L14.H7" at 8. One pair of query and key, "L14.H7@8<3", names its own. */
export function cutEdit(cut: Cut): Edit {
  const found = /^(.+)@(\d+)$/.exec(cut.target);
  return found
    ? { ...edit(found[1] ?? '', cut.operation), positions: [Number(found[2])] }
    : edit(cut.target, cut.operation);
}

/** An edit in force that takes the node or link away, whoever made it; −1: none. */
export function cutAt(edits: readonly Edit[], cut: Cut, length: number): number {
  const wanted = cutEdit(cut);
  const position = wanted.positions?.[0];
  return edits.findIndex(
    (made) =>
      made.enabled &&
      made.stage === 'post' &&
      made.operation === wanted.operation &&
      made.target === wanted.target &&
      (made.positions === null ||
        made.positions.some((at) => (at < 0 ? length + at : at) === position)),
  );
}

/** Every edit that concerns a node, with its place in the tray. */
export function editsOf(
  edits: readonly Edit[],
  target: string,
): Array<{ made: Edit; index: number }> {
  return edits
    .map((made, index) => ({ made, index }))
    .filter(({ made }) => made.target.split('@')[0] === target);
}
