/** Pairs of prompts from a file or a paste: a table with a head or four columns, or JSON lines. */
import { parse } from 'papaparse';
import { LIMITS } from '../../questions.gen';
import { COLUMNS, pairOf, writePairs, type Pair } from './pairs';

/** They stand in the address: a link is the data set, too. */
const MOST_CHARACTERS = 200_000;

/** Words of the app for the columns of files. */
const ALSO = { clean: 'prompt', corrupted: 'contrast', answer: 'target', wrong: 'distractor' };

/** The pairs of a file; else what is wrong with it, row by row. */
export function readPairs(text: string, name: string): Pair[] | { problems: string[] } {
  return checked(isLines(text, name) ? fromLines(text) : fromTable(text, ','), name);
}

/** The pairs of a paste: of a spreadsheet, of a CSV or of JSON lines. */
export function pastedPairs(text: string): Pair[] | { problems: string[] } {
  const tabs = (text.split('\n')[0] ?? '').includes('\t');
  return checked(
    isLines(text, '') ? fromLines(text) : fromTable(text, tabs ? '\t' : ','),
    'The paste',
  );
}

function isLines(text: string, name: string): boolean {
  return /\.(jsonl|ndjson|json)$/i.test(name) || (name === '' && text.trimStart().startsWith('{'));
}

interface Read {
  pairs: Pair[];
  problems: string[];
}

function checked({ pairs, problems }: Read, name: string): Pair[] | { problems: string[] } {
  if (problems.length > 0) return { problems };
  if (pairs.length === 0)
    return { problems: [`${name} has no pairs: rows of ${COLUMNS.join(', ')}.`] };
  if (pairs.length > LIMITS.max_pairs)
    return {
      problems: [
        `${name} has ${pairs.length.toLocaleString('en')} pairs; at most ${LIMITS.max_pairs.toLocaleString('en')} can be asked about.`,
      ],
    };
  if (writePairs(pairs).length > MOST_CHARACTERS)
    return {
      problems: [`${name} is too long for a link: ask about it in Python, with ue.read_pairs.`],
    };
  return pairs;
}

function fromLines(text: string): Read {
  const read: Read = { pairs: [], problems: [] };
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const said = recordOf(line);
    if (typeof said === 'string') read.problems.push(`Line ${at + 1} ${said}.`);
    else read.pairs.push(said);
  }
  return read;
}

function recordOf(line: string): Pair | string {
  let said: Record<string, unknown> | null;
  try {
    said = JSON.parse(line) as Record<string, unknown> | null;
  } catch {
    return 'is no JSON';
  }
  const values = COLUMNS.map((name) => said?.[name] ?? said?.[ALSO[name]]);
  return pairOf(values) ? madeOf(values) : `has not ${COLUMNS.join(', ')}`;
}

function fromTable(text: string, delimiter: string): Read {
  const { data, errors } = parse<string[]>(text.replace(/^\ufeff/, ''), {
    delimiter,
    skipEmptyLines: true,
  });
  const quotes = errors.find((error) => error.type === 'Quotes');
  if (quotes)
    return {
      pairs: [],
      problems: [
        `Row ${(quotes.row ?? 0) + 1} has a quotation mark that is not closed or not doubled.`,
      ],
    };
  const places = placesOf(data[0] ?? []);
  if (typeof places === 'string') return { pairs: [], problems: [places] };
  const read: Read = { pairs: [], problems: [] };
  for (const [at, row] of data.entries()) {
    if (at === 0 && places.head) continue;
    const said = madeOf(places.columns.map((place) => row[place]));
    if (typeof said === 'string') read.problems.push(`Row ${at + 1} ${said}.`);
    else read.pairs.push(said);
  }
  return read;
}

/** Where each column is; a string is what is wrong with the first row. */
function placesOf(first: readonly string[]): { head: boolean; columns: number[] } | string {
  const names = first.map((name) => name.trim().toLowerCase());
  const columns = COLUMNS.map((name) => Math.max(names.indexOf(name), names.indexOf(ALSO[name])));
  if (columns.every((place) => place < 0) && first.length === COLUMNS.length)
    return { head: false, columns: [0, 1, 2, 3] };
  const missing = COLUMNS.find((_, at) => (columns[at] ?? -1) < 0);
  return missing
    ? `The first row has no column “${missing}”: it needs ${COLUMNS.join(', ')}.`
    : { head: true, columns };
}

function madeOf(values: unknown[]): Pair | string {
  const missing = COLUMNS.find((_, at) => values[at] === undefined);
  if (missing) return `has no “${missing}”: fewer columns than the first`;
  const empty = COLUMNS.find((_, at) => values[at] === '');
  if (empty) return `has an empty “${empty}”`;
  return pairOf(values) ?? `has not ${COLUMNS.join(', ')}`;
}
