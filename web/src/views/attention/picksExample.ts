/** Heads for tests: of a hybrid, two of whose layers have attention; and heads as they are typed. */
import { parsePicks, type HeadPick } from './picks';

export const model = { heads: { self: [0, 3, 0, 3, 0, 3] } };

export function read(text: string): HeadPick[] {
  return parsePicks(text) ?? [];
}
