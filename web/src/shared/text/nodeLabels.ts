/** Labels of nodes in words: where one is from, how it stands against chance, which have some words. */
import type { Schemas } from '../api/client';

type Label = Schemas['Label'];

const FROM: Record<Label['source'], string> = {
  hand: 'by you',
  model: 'written',
  import: 'from a file',
  search: 'found by search',
};

/** "written by gpt at host, from brown". */
export function fromWords({ source, by, corpus }: Label): string {
  const who = by === '' ? FROM[source] : `${FROM[source]} by ${by}`;
  return corpus === '' ? who : `${who}, from ${corpus}`;
}

/** "F1 0.41 (chance up to 0.08), detection 0.75". */
export function scoreWords({ scores, supported }: Label): string {
  const said = scores.map(({ kind, score, chance }) => {
    const beside = chance === null ? '' : ` (chance up to ${chance.toFixed(2)})`;
    return `${kind === 'f1' ? 'F1' : kind} ${score.toFixed(2)}${beside}`;
  });
  return [...said, ...(supported === false ? ['not supported'] : [])].join(', ');
}

/** Labels with all of the words, or parts of words, whatever their capitals. */
export function matching<One extends { text: string }>(
  labels: readonly One[],
  words: string,
): One[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return labels.filter(({ text }) => wanted.every((word) => text.toLowerCase().includes(word)));
}
