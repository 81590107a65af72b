/** White space made visible, in both directions. Knows nothing of any tokenizer. */

const VISIBLE: ReadonlyArray<readonly [string, string]> = [
  [' ', '␣'],
  ['\n', '↵'],
  ['\t', '⇥'],
];

/** " Tokyo" as "␣Tokyo": what an input that holds exactly one token shows. */
export function showSpaces(text: string): string {
  return VISIBLE.reduce((shown, [raw, mark]) => shown.replaceAll(raw, mark), text);
}

/** The inverse of showSpaces. */
export function readSpaces(shown: string): string {
  return VISIBLE.reduce((text, [raw, mark]) => text.replaceAll(mark, raw), shown);
}

/** The first `room` characters, an ellipsis in place of the rest; surrogate pairs stay whole. */
export function shorten(text: string, room: number): string {
  const characters = [...text];
  if (characters.length <= room) return text;
  return room < 2
    ? characters.slice(0, Math.max(0, room)).join('')
    : `${characters.slice(0, room - 1).join('')}…`;
}
