/** In which order an answer is listed: as it was found, or by words around the match. */
import type { CorpusState } from './corpusState';
import type { CorpusToken, Hit } from './query';

/** A label that narrows a list: "attended.pos=NOUN". */
export interface Only {
  of: CorpusState['of'];
  column: string;
  /** "": none. */
  label: string;
}

export function onlyOf(written: string): Only | null {
  const found = /^(match|next|attended)\.(\w+)=(.*)$/s.exec(written);
  return found
    ? { of: found[1] as Only['of'], column: found[2] ?? '', label: found[3] ?? '' }
    : null;
}

export function writtenOnly({ of, column, label }: Only): string {
  return `${of}.${column}=${label}`;
}

/** Hits as they are listed. */
export function listed(
  items: readonly Hit[],
  order: CorpusState['order'],
  offsets: readonly number[],
  column: CorpusState['column'] = 'word',
): Hit[] {
  if (order === 'score') return [...items];
  const shown = order === 'match' ? 'word' : column;
  const key = (hit: Hit) => keyOf(hit, tokenAt(hit, order, offsets), shown);
  // Those without a token there come last; equal ones stay in the order of the answer.
  return items.toSorted((one, other) => compare(key(one), key(other)));
}

/** The token of a hit that a column shows. */
export function tokenAt(
  hit: Hit,
  order: CorpusState['order'],
  offsets: readonly number[],
): CorpusToken | null {
  if (order === 'match') return hit.match;
  return hit.around[offsets.indexOf(Number(order))] ?? null;
}

/**
 * A token in a column of its own: as it stands in its sentence, without the white space before it
 * unless that is all of it; or one of its labels.
 */
export function shownOf(hit: Hit, one: CorpusToken, column: CorpusState['column']): string {
  const { token, start, end } = one;
  if (token.special || start === null || end === null) return token.label;
  if (column !== 'word') return one[column] ?? '';
  // Python counts characters, not halves of them
  return [...hit.text].slice(start, end).join('').trim() || token.label;
}

type SortKey = readonly [missing: number, text: string, pos: string];

function keyOf(hit: Hit, token: CorpusToken | null, column: CorpusState['column']): SortKey {
  if (!token) return [1, '', ''];
  const shown = shownOf(hit, token, column);
  return [shown === '' ? 1 : 0, shown.toLowerCase(), token.pos ?? ''];
}

function compare(one: SortKey, other: SortKey): number {
  return (
    one[0] - other[0] || one[1].localeCompare(other[1], 'en') || one[2].localeCompare(other[2])
  );
}

/** "−2", "+1": the head of a column. */
export function offsetName(offset: number): string {
  return offset < 0 ? `−${-offset}` : `+${offset}`;
}
