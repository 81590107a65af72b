/** Examples as they are listed: by group, each sentence as stretches of its text. */
import type { Schemas } from '../../shared/api/client';

export type Example = Schemas['CorpusExample'];

/** "Strongest", "99% are weaker" ..., each with its examples. */
export function groupsOf(items: readonly Example[]): Array<[string, Example[]]> {
  const groups = new Map<string, Example[]>();
  for (const item of items) {
    const title = titleOf(item);
    groups.set(title, [...(groups.get(title) ?? []), item]);
  }
  return [...groups];
}

function titleOf({ group, quantile }: Example): string {
  if (group === 'top') return 'Strongest, one token of each sentence';
  if (group === 'random') return 'At random';
  return `Weaker at ${Math.round(100 * (quantile ?? 0))}% of the tokens`;
}

export interface Stretch {
  text: string;
  /** Null: no token stands for it. */
  value: number | null;
  match: boolean;
}

/** The sentence cut at its tokens; of several for one character, the strongest counts. */
export function stretchesOf({ text, tokens, values, position }: Example): Stretch[] {
  const characters = [...text]; // Python counts characters, not halves of them
  const found: Stretch[] = [];
  let at = 0;
  for (const token of tokens) {
    const { start, end } = token;
    if (start === null || end === null || end <= start) continue;
    const value = values[token.position] ?? 0;
    const match = token.position === position;
    const before = found.at(-1);
    if (start < at) {
      if (before) {
        before.match ||= match;
        if (Math.abs(value) > Math.abs(before.value ?? 0)) before.value = value;
      }
      continue;
    }
    if (start > at)
      found.push({ text: characters.slice(at, start).join(''), value: null, match: false });
    found.push({ text: characters.slice(start, end).join(''), value, match });
    at = end;
  }
  if (at < characters.length)
    found.push({ text: characters.slice(at).join(''), value: null, match: false });
  return found;
}
