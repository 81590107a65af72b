/** Pairs of tokens knocked out of the heads that are shown: as edits, made and taken back. */
import { edit, isPlainAblation, type Edit } from '../../shared/text/edits';
import { change, notify, useStore } from '../../shared/state/store';
import { MAX_EDITS } from '../../shared/text/url';
import { headName, type Head } from './picks';

export interface Place {
  query: number;
  key: number;
}

/** "L5.H1@7<3" of each head. */
export function pairTargets(heads: readonly Head[], { query, key }: Place): string[] {
  return heads.map((head) => `${headName(head)}@${query}<${key}`);
}

/** In all of the heads. */
export function isCut(edits: readonly Edit[], heads: readonly Head[], pair: Place): boolean {
  return pairTargets(heads, pair).every((target) =>
    edits.some((made) => made.enabled && isPlainAblation(made, target)),
  );
}

/** With the pairs knocked out of the heads; where all of them are already, without. */
export function withCuts(
  edits: readonly Edit[],
  heads: readonly Head[],
  pairs: readonly Place[],
): Edit[] {
  const targets = pairs.flatMap((pair) => pairTargets(heads, pair));
  const back = pairs.every((pair) => isCut(edits, heads, pair));
  const others = edits.filter((made) => !targets.some((target) => isPlainAblation(made, target)));
  return back ? others : [...others, ...targets.map((target) => edit(target))];
}

/** Of the page's edits, with a word to whoever asked. */
export function cutPairs(heads: readonly Head[], pairs: readonly Place[]): void {
  const { edits } = useStore.getState().spec;
  const next = withCuts(edits, heads, pairs);
  if (next.length > MAX_EDITS) {
    const asked = pairs.length * heads.length;
    notify(
      `That is ${asked} edits, one for each pair and head; at most ${MAX_EDITS} can be kept. Show fewer heads, or cut fewer pairs.`,
    );
  } else change({ edits: next });
}
