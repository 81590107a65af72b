/** Examples as they are listed: by group, each sentence as stretches of its text. */
import type { Schemas } from '../../shared/api/client';
import { cutAtTokens } from '../../shared/text/stretches';

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
  /** Whether a head looks here from the match, more than anywhere else. */
  attended: boolean;
}

/** The sentence cut at its tokens; of several for one character, the strongest counts. */
export function stretchesOf({ text, tokens, values, position, attended }: Example): Stretch[] {
  return cutAtTokens(text, tokens).map((one) => {
    const here = one.tokens.map((token) => values[token.position] ?? 0);
    return {
      text: one.text,
      value: here.toSorted((left, right) => Math.abs(right) - Math.abs(left))[0] ?? null,
      match: one.tokens.some((token) => token.position === position),
      attended: one.tokens.some((token) => token.position === attended),
    };
  });
}
