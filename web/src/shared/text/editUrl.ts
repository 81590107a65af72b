/** One edit as a part of the address, and back. Reading never throws: what is no edit, or one that no model takes, is null. */
import { formatTarget, isFlowName, parseTarget } from './address';
import {
  edit,
  formatPairs,
  formatPositions,
  OPERATION_NAMES,
  parsePairs,
  parsePositions,
  parseValue,
  type Edit,
  type Operation,
} from './edits';
import { partsProblem } from './editProblem';

/** "L9.H6;scale;2;p=3-5,9;s=pre;off", "L3.N5;on;sign=-1", "L3.H2;knock_out;pairs=9<2,9<3"; in a source prompt ~ and ; are written ~0 and ~1. */
export function encodeEdit(made: Edit): string {
  const parts: string[] = [made.target, made.operation];
  if (made.value !== null)
    parts.push(Array.isArray(made.value) ? made.value.join(',') : String(made.value));
  if (made.positions) parts.push(`p=${formatPositions(made.positions).replaceAll(' ', '')}`);
  if (made.stage === 'pre') parts.push('s=pre');
  if (made.sign === -1) parts.push('sign=-1');
  if (made.source) parts.push(`from=${escaped(made.source.prompt)}`);
  if (made.source?.source) parts.push(`source=${escaped(made.source.source)}`);
  if (made.source?.pair) parts.push(`pair=${escaped(made.source.pair)}`);
  if (made.source?.positions) parts.push(`at=${made.source.positions.join(',')}`);
  if (made.source?.take) parts.push(`take=${made.source.take}`);
  if (made.source?.seed) parts.push(`seed=${made.source.seed}`);
  if (made.pairs) parts.push(`pairs=${formatPairs(made.pairs).replaceAll(' ', '')}`);
  if (made.between) parts.push(`between=${made.between}`);
  if (made.renormalise) parts.push('renormalise');
  if (!made.enabled) parts.push('off');
  return parts.join(';');
}

function escaped(text: string): string {
  return text.replaceAll('~', '~0').replaceAll(';', '~1');
}

function unescaped(text: string): string {
  return text.replaceAll('~1', ';').replaceAll('~0', '~');
}

export function decodeEdit(written: string): Edit | null {
  const [targetText = '', operation = '', ...rest] = written.split(';');
  const target = editTarget(targetText, operation);
  if (target === null || !OPERATION_NAMES.includes(operation as Operation)) return null;
  const made = edit(target, operation as Operation);
  const good = rest.every((part) => readEditPart(made, part)) && partsProblem(made) === null;
  return good ? made : null;
}

/** Cuts are of nodes and links of the flow graph, which have names of their own. */
function editTarget(text: string, operation: string): string | null {
  if (operation === 'cut') return isFlowName(text) ? text : null;
  const target = parseTarget(text);
  return target && formatTarget(target);
}

function readEditPart(made: Edit, part: string): boolean {
  if (part === 'off') made.enabled = false;
  else if (part === 'renormalise') made.renormalise = true;
  else if (part === 'between=within') made.between = 'within';
  else if (part === 'between=across') made.between = 'across';
  else if (part === 's=pre') made.stage = 'pre';
  else if (part === 'sign=-1') made.sign = -1;
  else if (part.startsWith('pairs=')) {
    const pairs = parsePairs(part.slice(6));
    if (!Array.isArray(pairs)) return false;
    made.pairs = pairs;
  } else if (part.startsWith('p=')) {
    const positions = parsePositions(part.slice(2));
    if (!Array.isArray(positions)) return false;
    made.positions = positions;
  } else if (part.startsWith('from=')) {
    made.source = { prompt: unescaped(part.slice(5)), positions: null };
  } else if (part.startsWith('source=') && made.source) {
    made.source = { ...made.source, source: unescaped(part.slice(7)) };
  } else if (part.startsWith('pair=') && made.source) {
    made.source = { ...made.source, pair: unescaped(part.slice(5)) };
  } else if ((part === 'take=mean' || part === 'take=drawn') && made.source) {
    made.source = { ...made.source, take: part === 'take=mean' ? 'mean' : 'drawn' };
  } else if (/^seed=[1-9]\d{0,14}$/.test(part) && made.source) {
    made.source = { ...made.source, seed: Number(part.slice(5)) };
  } else if (part.startsWith('at=') && made.source) {
    const positions = parseValue(part.slice(3));
    const list = typeof positions === 'number' ? [positions] : positions;
    if (typeof list === 'string' || !list.every(Number.isInteger)) return false;
    made.source = { ...made.source, positions: list };
  } else {
    const value = parseValue(part);
    if (typeof value === 'string') return false;
    made.value = value;
  }
  return true;
}
