/** Pairs of prompts from a file: CSV with a head, or JSON lines. */
import { parse } from 'papaparse';
import { LIMITS } from '../../questions.gen';
import { COLUMNS, pairOf, writePairs, type Pair } from './pairs';

/** They stand in the address: a link is the data set, too. */
const MOST_CHARACTERS = 200_000;

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
  const { data, errors, meta } = parse<Record<string, string>>(text, {
    header: true,
    delimiter: ',',
    skipEmptyLines: true,
  });
  const missing = COLUMNS.find((name) => !meta.fields?.includes(name));
  if (missing) return `The file has no column “${missing}”: it needs ${COLUMNS.join(', ')}.`;
  const quotes = errors.find((error) => error.type === 'Quotes');
  if (quotes)
    return `Row ${(quotes.row ?? 0) + 2} has a quotation mark that is not closed or not doubled.`;
  const found: Pair[] = [];
  for (const [at, row] of data.entries()) {
    const pair = pairOf(COLUMNS.map((name) => row[name]));
    if (!pair) return `Row ${at + 2} has fewer columns than the first.`;
    found.push(pair);
  }
  return found;
}
