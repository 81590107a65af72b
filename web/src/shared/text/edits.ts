/** Edits as plain data: what a card says, how a field is read, what is wrong with it. */
import { OPERATIONS } from '../../questions.gen';
import { checkTarget, flowMisfit, kindOf, parseTarget, type Dimensions } from './address';

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
  source: { prompt: string; positions: number[] | null } | null;
  enabled: boolean;
}

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
  patch: 'Its activation is the one it has on another prompt.',
  lmd_off: 'As LM-Debugger does it: the pre-activation is 0, at every position.',
  lmd_on:
    'As LM-Debugger does it: the pre-activation is the largest |m|·‖v‖ of the layer + 0.01, at every position.',
  cut: 'What it passes on in the unedited run is taken away where it arrives, at this position.',
};

/** Those that can be chosen for a node; cuts are made where the flow graph is drawn. */
export const CHOOSABLE = OPERATION_NAMES.filter((name) => name !== 'cut');

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
      return `patch from “${made.source?.prompt ?? ''}”`;
    case 'on':
      return made.sign === 1 ? 'on' : 'on, negative';
    default:
      return OPERATION_WORDS[made.operation];
  }
}

/** Only neurons have an activation that these could set. */
export function forNeurons(operation: Operation): boolean {
  return operation === 'on' || operation === 'lmd_on' || operation === 'lmd_off';
}

/** What the parts of each operation may be, as the server checks them. */
interface Rule {
  /** "vector": one number, or several. */
  takes: 'nothing' | 'number' | 'vector' | 'source';
  stage: boolean;
  sign: boolean;
  onePosition: boolean;
}

const RULES: Readonly<Record<Operation, Rule>> = OPERATIONS;

export function takesValue(operation: Operation): boolean {
  return RULES[operation].takes === 'number' || RULES[operation].takes === 'vector';
}

export function takesSign(operation: Operation): boolean {
  return RULES[operation].sign;
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
  field: 'target' | 'value' | 'positions' | 'stage' | 'sign' | 'source';
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
  if (rule.takes === 'source' && !source?.prompt)
    return problem('source', 'A patch needs the prompt that it takes the activation from.');
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
  if (rule.onePosition && positions !== null && positions.length !== 1)
    return problem('positions', `“${said}” acts at one position.`);
  if (operation !== 'cut' && positions !== null && made.target.includes('@'))
    return problem('positions', 'The name says the position already.');
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
  const problem = partsProblem(made);
  if (problem) return problem;
  if (Array.isArray(made.value)) {
    const width =
      checked.target.kind === 'head'
        ? model.d_head
        : checked.target.kind === 'neuron'
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
