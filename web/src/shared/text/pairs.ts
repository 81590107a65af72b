/** Pairs of prompts, as the address has them: clean, corrupted, answer and wrong in each. */
import { QUESTIONS } from '../../questions.gen';
import type { Schemas } from '../api/client';
import { optionsPython, quote } from './options';

export type Pair = Schemas['PromptPair'];

/** One pair: the prompt and the other one; sets that come with the package; one's own. */
export const SETS = ['one', ...QUESTIONS.patch_pairs.template.choices, 'own'] as const;
export type PairSet = (typeof SETS)[number];

export const COLUMNS = ['clean', 'corrupted', 'answer', 'wrong'] as const;

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

/** None where a field is missing, or of another kind. */
export function pairOf(row: unknown): Pair | null {
  if (!Array.isArray(row) || row.length !== COLUMNS.length) return null;
  const [clean, corrupted, answer, wrong] = row as unknown[];
  if (typeof clean !== 'string' || typeof corrupted !== 'string') return null;
  return isAnswer(answer) && isAnswer(wrong) ? { clean, corrupted, answer, wrong } : null;
}

/** Text that is one token, or a token id. */
function isAnswer(value: unknown): value is string | number {
  return typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value));
}

/** What a request says of a set; null where it has no pairs. */
export function pairsAsked(
  set: PairSet,
  own: string,
): { pairs: Pair[] } | { template: Exclude<PairSet, 'one' | 'own'> } | null {
  if (set === 'one') return null;
  if (set !== 'own') return { template: set };
  const pairs = ownPairs(own);
  return pairs.length > 0 ? { pairs } : null;
}

/** Lines of Python that make `pairs`. */
export function pairsPython(set: PairSet, own: string): string[] {
  if (set !== 'own') return [`pairs = ue.pair_template(${quote(set)})`];
  const rows = ownPairs(own).map((pair) => {
    const fields = Object.fromEntries(COLUMNS.map((name) => [name, pair[name]]));
    return `    ue.PromptPair(${optionsPython(fields).join(', ')}),`;
  });
  return ['pairs = [', ...rows, ']'];
}
