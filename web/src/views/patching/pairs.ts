/** Pairs of prompts from a file: CSV, or JSON lines, with clean, corrupted, answer and wrong in each. */
import type { Schemas } from '../../shared/api/client';
import { LIMITS } from '../../questions.gen';

export type Pair = Schemas['PromptPair'];

export const COLUMNS = ['clean', 'corrupted', 'answer', 'wrong'] as const;
/** They stand in the address: a link is the data set, too. */
const MOST_CHARACTERS = 200_000;

/** As the address has them. */
export function writePairs(pairs: readonly Pair[]): string {
  return JSON.stringify(pairs.map((pair) => COLUMNS.map((name) => pair[name])));
}

/** None where the text is not what `writePairs` writes. */
export function ownPairs(written: string): Pair[] {
  try {
    const rows: unknown = JSON.parse(written);
    return Array.isArray(rows) ? rows.flatMap((row) => pairOf(row) ?? []) : [];
  } catch {
    return [];
  }
}

function pairOf(row: unknown): Pair | null {
  if (!Array.isArray(row) || row.length !== COLUMNS.length) return null;
  const [clean, corrupted, answer, wrong] = row as unknown[];
  if (typeof clean !== 'string' || typeof corrupted !== 'string') return null;
  return isAnswer(answer) && isAnswer(wrong) ? { clean, corrupted, answer, wrong } : null;
}

/** Text that is one token, or a token id. */
function isAnswer(value: unknown): value is string | number {
  return typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value));
}

/** The pairs of a file; a string is what is wrong. */
export function readPairs(text: string, name: string): Pair[] | string {
  const read = /\.(jsonl|ndjson|json)$/i.test(name) ? fromLines(text) : fromCsv(text);
  if (typeof read === 'string') return read;
  if (read.length === 0) return `${name} has no pairs: rows of ${COLUMNS.join(', ')}.`;
  if (read.length > LIMITS.max_pairs)
    return `${name} has ${read.length.toLocaleString('en')} pairs; at most ${LIMITS.max_pairs.toLocaleString('en')} can be asked about.`;
  if (writePairs(read).length > MOST_CHARACTERS)
    return `${name} is too long for a link: ask about it in Python, with ue.read_pairs.`;
  return read;
}

function fromLines(text: string): Pair[] | string {
  const found: Pair[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const pair = recordOf(line);
    if (!pair) return `Line ${at + 1} has not ${COLUMNS.join(', ')}.`;
    found.push(pair);
  }
  return found;
}

function recordOf(line: string): Pair | null {
  try {
    const said = JSON.parse(line) as Record<string, unknown> | null;
    return said && pairOf(COLUMNS.map((name) => said[name]));
  } catch {
    return null;
  }
}

function fromCsv(text: string): Pair[] | string {
  const [heads = [], ...rows] = csvRows(text.replace(/^\ufeff/, ''));
  const missing = COLUMNS.find((name) => !heads.includes(name));
  if (missing) return `The file has no column “${missing}”: it needs ${COLUMNS.join(', ')}.`;
  const places = COLUMNS.map((name) => heads.indexOf(name));
  const found: Pair[] = [];
  for (const [at, row] of rows.entries()) {
    if (row.length === 1 && row[0] === '') continue;
    const pair = pairOf(places.map((place) => row[place]));
    if (!pair) return `Row ${at + 2} has fewer columns than the first.`;
    found.push(pair);
  }
  return found;
}

/** Fields between commas, quoted where they hold commas, quotes (doubled) or line ends. */
function csvRows(text: string): string[][] {
  const rows: string[][] = [[]];
  let field = '';
  let quoted = false;
  const close = () => {
    rows.at(-1)?.push(field);
    field = '';
  };
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] ?? '';
    if (quoted && sign === '"' && text[at + 1] === '"') field += text[at++];
    else if (sign === '"') quoted = !quoted;
    else if (quoted) field += sign;
    else if (sign === ',') close();
    else if (sign === '\n') {
      close();
      rows.push([]);
    } else if (sign !== '\r') field += sign;
  }
  close();
  return rows.filter((row, at) => at === 0 || row.length > 1 || row[0] !== '');
}
