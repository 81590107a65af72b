/** Pairs of tokens knocked out of the heads that are shown, and tokens that are masked: as edits, made and taken back. */
import { LIMITS } from '../../questions.gen';
import { edit, type Edit, type Pair } from '../../shared/text/edits';
import { isPlainAblation } from '../../shared/text/editList';
import { change, notify, useStore } from '../../shared/state/store';
import { MAX_EDITS } from '../../shared/text/url';
import { branchName, headName, isWhole, partOf, type Head, type Heads } from './picks';

export interface Place {
  query: number;
  key: number;
}

/** All heads of a layer together, as its attention; others one by one. */
export function cutTargets(heads: readonly Head[], model: Heads): string[] {
  const layers = [...new Set(heads.map(({ layer }) => layer))];
  return layers.flatMap((layer) => {
    const own = heads.filter((head) => head.layer === layer);
    return isWhole(model, own) ? [branchName({ part: partOf(own), layer })] : own.map(headName);
  });
}

/** In all of the heads, alone or with all of their layer. */
export function isCut(edits: readonly Edit[], heads: readonly Head[], pair: Place): boolean {
  return heads.every((head) => edits.some((made) => made.enabled && cuts(made, head, pair)));
}

function cuts(made: Edit, head: Head, { query, key }: Place): boolean {
  const name = headName(head);
  if (isPlainAblation(made, `${name}@${query}<${key}`)) return true;
  if (made.operation !== 'knock_out') return false;
  if (made.target === `${name}@${query}<${key}`) return true;
  const within = made.target === name || made.target === branchName(head);
  return within && (made.pairs ?? []).some((one) => one[0] === query && one[1] === key);
}

/** With the pairs knocked out of the heads, the rest of their rows renormalised or left as it is. */
export function withCuts(
  edits: readonly Edit[],
  heads: readonly Head[],
  model: Heads,
  pairs: readonly Place[],
  renormalise: boolean,
): Edit[] {
  const wanted = pairs.map(({ query, key }): Pair => [query, key]);
  return cutTargets(heads, model).reduce<Edit[]>(
    (made, target) => {
      const at = made.findIndex(
        (one) =>
          one.enabled &&
          one.operation === 'knock_out' &&
          one.target === target &&
          one.pairs !== null &&
          one.renormalise === renormalise,
      );
      const before = made[at];
      if (!before) return [...made, { ...edit(target, 'knock_out'), pairs: wanted, renormalise }];
      const names = new Set((before.pairs ?? []).map(String));
      const more = wanted.filter((pair) => !names.has(String(pair)));
      return made.with(at, { ...before, pairs: [...(before.pairs ?? []), ...more] });
    },
    [...edits],
  );
}

/** Without the cuts of the pairs in any of the heads. */
export function withoutCuts(
  edits: readonly Edit[],
  heads: readonly Head[],
  pairs: readonly Place[],
): Edit[] {
  const of = (made: Edit, pair: Place) => heads.some((head) => cuts(made, head, pair));
  return edits.flatMap((made) => {
    const gone = pairs.filter((pair) => of(made, pair));
    if (gone.length === 0) return [made];
    const left = (made.pairs ?? []).filter(
      ([query, key]) => !gone.some((pair) => pair.query === query && pair.key === key),
    );
    return left.length > 0 ? [{ ...made, pairs: left }] : [];
  });
}

/** Of the page's edits: where all pairs are cut already, they no longer are. */
export function toggleCuts(
  heads: readonly Head[],
  model: Heads,
  pairs: readonly Place[],
  renormalise: boolean,
): void {
  const { edits } = useStore.getState().spec;
  const back = pairs.every((pair) => isCut(edits, heads, pair));
  const next = back
    ? withoutCuts(edits, heads, pairs)
    : withCuts(edits, heads, model, pairs, renormalise);
  const most = Math.max(0, ...next.map((made) => made.pairs?.length ?? 0));
  if (next.length > MAX_EDITS)
    notify(`At most ${MAX_EDITS} edits can be kept: show fewer heads, or all of a layer.`);
  else if (most > LIMITS.max_edit_pairs)
    notify(`One edit knocks out at most ${LIMITS.max_edit_pairs.toLocaleString('en')} pairs.`);
  else change({ edits: next });
}

// ------------------------------------------------------------------ masks

export function isMasked(edits: readonly Edit[], position: number): boolean {
  return edits.some(
    (made) => made.enabled && made.operation === 'mask' && made.positions?.includes(position),
  );
}

/** One edit masks all tokens that are masked. */
export function toggledMask(edits: readonly Edit[], position: number): Edit[] {
  const at = edits.findIndex((made) => made.enabled && made.operation === 'mask');
  const before = edits[at];
  if (!before) return [...edits, { ...edit('embed', 'mask'), positions: [position] }];
  const masked = before.positions ?? [];
  const positions = masked.includes(position)
    ? masked.filter((one) => one !== position)
    : [...masked, position].toSorted((a, b) => a - b);
  return positions.length > 0 ? edits.with(at, { ...before, positions }) : edits.toSpliced(at, 1);
}

export function toggleMask(position: number): void {
  change({ edits: toggledMask(useStore.getState().spec.edits, position) });
}
