/** Edits as plain data: what a card says, how a field is read, what is wrong with it. */
import { checkTarget, type Dimensions } from './address';

export const OPERATIONS = ['zero', 'scale', 'set_to', 'add', 'patch'] as const;
export type Operation = (typeof OPERATIONS)[number];
export type Stage = 'pre' | 'post';

export interface Edit {
  target: string;
  operation: Operation;
  value: number | number[] | null;
  positions: number[] | null;
  stage: Stage;
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
  return { target, operation, value, positions: null, stage: 'post', source: null, enabled: true };
}

const OPERATION_WORDS: Record<Operation, string> = {
  zero: 'zero',
  scale: 'scale',
  set_to: 'set to',
  add: 'add',
  patch: 'patch',
};

export function operationWords(operation: Operation): string {
  return OPERATION_WORDS[operation];
}

/** "× 2", "= 0.5", "+ 1", "zero", "patch from “Paris is”". */
export function describeOperation(made: Edit): string {
  const value = Array.isArray(made.value)
    ? `[${made.value.length} numbers]`
    : String(made.value ?? '');
  switch (made.operation) {
    case 'zero':
      return 'zero';
    case 'scale':
      return `× ${value}`;
    case 'set_to':
      return `= ${value}`;
    case 'add':
      return `+ ${value}`;
    case 'patch':
      return `patch from “${made.source?.prompt ?? ''}”`;
  }
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
  field: 'target' | 'value' | 'positions' | 'source';
  message: string;
}

/** What the model would refuse about an edit, before it is sent. */
export function editProblem(made: Edit, model: EditModel): EditProblem | null {
  const checked = checkTarget(made.target, model);
  if ('problem' in checked) return { field: 'target', message: checked.problem };
  if (made.operation === 'patch') {
    return made.source?.prompt
      ? null
      : { field: 'source', message: 'A patch needs the prompt that it takes the activation from.' };
  }
  if (made.operation === 'zero') return null;
  if (made.value === null) return { field: 'value', message: 'This operation needs a value.' };
  if (made.operation === 'scale' && Array.isArray(made.value))
    return { field: 'value', message: 'A factor is one number.' };
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
  return made.target === target && made.operation === 'zero' && made.positions === null;
}
