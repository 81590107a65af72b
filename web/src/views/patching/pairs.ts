/** Pairs of prompts, as the address has them: clean, corrupted, answer and wrong in each. */
import type { Schemas } from '../../shared/api/client';

export type Pair = Schemas['PromptPair'];

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
