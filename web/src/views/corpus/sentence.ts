/** A sentence as stretches of its text: tokens with what is said of them, nothing rewritten. */
import { cutAtTokens } from '../../shared/text/stretches';
import type { CorpusToken, Hit, Hits, Lit, Sentence } from './query';

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

/** Before tokens are known, only the match is a stretch of its own. What is said of one is said of all here. */
export function stretchesOf(text: string, marks: Marks, sentence: Sentence | null): Stretch[] {
  const known = sentence?.tokens ?? [marks.match, ...(marks.next ? [marks.next] : [])];
  return cutAtTokens(text, known).map((one) => ({
    text: one.text,
    token: one.tokens[0] ?? null,
    match: one.tokens.some(({ position }) => position === marks.match.position),
    next: one.tokens.some(({ position }) => position === marks.next?.position),
    attention: sum(one.tokens.map(({ position }) => sentence?.attention?.[position] ?? null)),
  }));
}

/** Of what is known; null: nothing is. */
function sum(shares: readonly (number | null)[]): number | null {
  const known = shares.filter((share) => share !== null);
  return known.length > 0 ? known.reduce((all, share) => all + share, 0) : null;
}

/** Whether a text is written from right to left: by its first letter that is of a direction. */
export function isFromRight(text: string): boolean {
  const first = /\p{L}/u.exec(text)?.[0] ?? '';
  return /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(
    first,
  );
}

/** What is before the match, the match, and what is behind it. */
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

/** Where a hit stands, and what is kept of its record: "a.jsonl, record 3 · author Austen". */
export function sourceOf({ file, record, metadata }: Hit): string {
  const fields = Object.entries(metadata).map(([name, value]) => `${name} ${value}`);
  return [`${file}, record ${record}`, ...fields].join(' · ');
}
