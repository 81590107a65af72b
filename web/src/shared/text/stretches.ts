/** A text cut at its tokens, nothing rewritten. */

interface Placed {
  /** In characters, as Python counts them; null: it stands nowhere in the text. */
  start: number | null;
  end: number | null;
}

export interface Stretch<T> {
  text: string;
  /** Several where they are bytes of the same characters; none: white space that no token has. */
  tokens: T[];
}

export function cutAtTokens<T extends Placed>(text: string, tokens: readonly T[]): Stretch<T>[] {
  const characters = [...text]; // Python counts characters, not halves of them
  const found: Stretch<T>[] = [];
  let at = 0;
  for (const token of tokens) {
    const { start, end } = token;
    if (start === null || end === null || end <= start) continue;
    if (start < at) {
      found.at(-1)?.tokens.push(token);
      continue;
    }
    if (start > at) found.push({ text: characters.slice(at, start).join(''), tokens: [] });
    found.push({ text: characters.slice(start, end).join(''), tokens: [token] });
    at = end;
  }
  if (at < characters.length) found.push({ text: characters.slice(at).join(''), tokens: [] });
  return found;
}
