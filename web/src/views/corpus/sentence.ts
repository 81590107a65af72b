/** A sentence as stretches of its text: tokens with what is said of them, nothing rewritten. */
import type { CorpusToken, Hits, Lit, Sentence } from './query';

/** Height of a line, px, as in corpus.css. */
export const LINE = 26;

/** Some characters of a sentence, and the tokens that stand for them. */
export interface Stretch {
  text: string;
  /** None: white space that no token has. */
  token: CorpusToken | null;
  /** Share of the attention, of all tokens at this place; null: unknown. */
  attention: number | null;
  match: boolean;
  next: boolean;
}

export interface Marks {
  match: CorpusToken;
  next: CorpusToken | null;
}

/** Before tokens are known, only the match is a stretch of its own. Bytes of one character have one place. */
export function stretchesOf(text: string, marks: Marks, sentence: Sentence | null): Stretch[] {
  const placed = (sentence?.tokens ?? [marks.match, ...(marks.next ? [marks.next] : [])]).filter(
    (one) => one.start !== null && one.end !== null && one.end > one.start,
  );
  const characters = [...text]; // Python counts characters, not halves of them
  const found: Stretch[] = [];
  let at = 0;
  for (const token of placed) {
    const [start, end] = [token.start ?? 0, token.end ?? 0];
    const here = {
      match: token.position === marks.match.position,
      next: token.position === marks.next?.position,
      attention: sentence?.attention?.[token.position] ?? null,
    };
    const before = found.at(-1);
    if (start < at) {
      // Another part of the same characters: what is said of them is said of all.
      if (before) {
        before.match ||= here.match;
        before.next ||= here.next;
        if (here.attention !== null) before.attention = (before.attention ?? 0) + here.attention;
      }
      continue;
    }
    if (start > at) found.push(bare(characters.slice(at, start).join('')));
    found.push({ text: characters.slice(start, end).join(''), token, ...here });
    at = end;
  }
  if (at < characters.length) found.push(bare(characters.slice(at).join('')));
  return found;
}

function bare(text: string): Stretch {
  return { text, token: null, attention: null, match: false, next: false };
}

/** What is left and right of the match. */
export function around(stretches: readonly Stretch[]): [Stretch[], Stretch[], Stretch[]] {
  const at = stretches.findIndex(({ match }) => match);
  if (at < 0) return [[], [...stretches], []];
  return [stretches.slice(0, at), stretches.slice(at, at + 1), stretches.slice(at + 1)];
}

/** Whose attention lies behind sentences: of the layer that was compared, of its heads. */
export function litOf(data: Hits, last: number): Lit {
  const layer = /^L(\d+)\./.exec(data.site ?? '')?.[1];
  return { layer: layer === undefined ? last : Number(layer), heads: data.heads ?? [] };
}

/** "VERB, VBD · ROOT of went · lemma go", what is known of it. */
export function saysOf(token: CorpusToken): string {
  const { word, lemma, pos, tag, dep, head, entity } = token;
  const labels = [
    pos === null ? null : tag === null || tag === pos ? pos : `${pos} ${tag}`,
    dep === null ? null : head === null || head === word ? dep : `${dep} of ${head}`,
    lemma === null || lemma === word ? null : `lemma ${lemma}`,
    entity,
  ];
  return labels.filter((one) => one !== null).join(' · ');
}
