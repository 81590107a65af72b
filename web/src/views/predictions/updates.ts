/** What a layer added, part by part, in one run or in two. Knows no React. */
import type { components } from '../../api.gen';
import { mixerOf } from '../../shared/text/address';
import type { Predictions } from '../../shared/text/predictions';

export type Update = components['schemas']['Update'];
/** A branch taken apart, or the reason why it is not. */
export type BranchUpdates = Partial<components['schemas']['BranchUpdates']> & {
  reason: string | null;
};
export type Branch = 'heads' | 'cross_heads' | 'neurons';
export type Side = 'baseline' | 'edited';

export interface Sides<Value> {
  baseline: Value | null;
  edited: Value | null;
}

export interface PartRow extends Sides<Update> {
  /** "L12.N512", "L9.H6", "bias" or "rest". */
  node: string;
  kind: 'node' | 'bias' | 'rest';
}

/** A branch of a layer in both runs; null where the answer has none. */
export function branchOf(
  data: Predictions | null,
  layer: number,
  branch: Branch,
): Sides<BranchUpdates> {
  const of = (side: Side): BranchUpdates | null => {
    const found = data?.[side]?.updates?.layers.find((one) => one.layer === layer);
    return found ? { ...found[branch], reason: found[`${branch}_reason`] ?? null } : null;
  };
  return { baseline: of('baseline'), edited: of('edited') };
}

/** Every part of either run once, the largest score of both first; biases and the rest at the end. */
export function partRows(sides: Sides<BranchUpdates>): PartRow[] {
  const rows = new Map<string, PartRow>();
  const put = (side: Side, kind: PartRow['kind'], update: Update | null | undefined) => {
    if (!update) return;
    const row = rows.get(update.node) ?? { node: update.node, kind, baseline: null, edited: null };
    rows.set(update.node, { ...row, [side]: update });
  };
  for (const side of ['baseline', 'edited'] as const) {
    for (const update of sides[side]?.shown ?? []) put(side, 'node', update);
    put(side, 'bias', sides[side]?.bias);
    put(side, 'rest', sides[side]?.rest);
  }
  const places = { node: 0, bias: 1, rest: 2 };
  return [...rows.values()].toSorted(
    (a, b) => places[a.kind] - places[b.kind] || size(b) - size(a),
  );
}

function size(row: PartRow): number {
  return Math.max(Math.abs(row.baseline?.score ?? 0), Math.abs(row.edited?.score ?? 0));
}

/** Of a node that a side does not list, all that is known: its score is no larger than this. */
export function scoreBound(branch: BranchUpdates | null): number | null {
  const last = branch?.shown?.at(-1);
  return last ? Math.abs(last.score) : null;
}

/** Both runs added the very same: nothing before this branch is edited, nor the branch itself. */
export function sameUpdates({ baseline, edited }: Sides<BranchUpdates>): boolean {
  if (baseline?.reason) return false; // not taken apart: nobody knows
  if (!baseline || !edited || baseline.added_norm !== edited.added_norm) return false;
  const [before = [], after = []] = [baseline.shown, edited.shown];
  return (
    before.length === after.length &&
    before.every((part, at) => part.node === after[at]?.node && part.score === after[at].score)
  );
}

/** The node that wrote most. */
export function strongest(branch: BranchUpdates | null): Update | null {
  return branch?.shown?.[0] ?? null;
}

/** "H6", "N512": the node without its layer. */
export function shortName(node: string): string {
  return node.replace(/^L\d+\./, '');
}

/** Which of the two runs a view shows: one, or both beside each other. */
export function shownSides<Value>(sides: Sides<Value>, mode: 'difference' | Side): Sides<Value> {
  if (mode === 'difference') return sides;
  if (mode === 'edited' && sides.edited) return { baseline: null, edited: sides.edited };
  return { baseline: sides.baseline, edited: null };
}

/** One line for each part of each branch, biases and rests included. */
export function updatesTable(data: Predictions): Array<Array<string | number | null>> {
  const lines: Array<Array<string | number | null>> = [
    [
      'side',
      'layer',
      'branch',
      'node',
      'activation',
      'score',
      'norm',
      'share',
      'promotes',
      'suppresses',
    ],
  ];
  for (const side of ['baseline', 'edited'] as const) {
    for (const { layer } of data[side]?.layers ?? []) {
      for (const branch of ['heads', 'cross_heads', 'neurons'] as const) {
        const found = branchOf(data, layer, branch)[side];
        for (const part of [...(found?.shown ?? []), found?.bias, found?.rest]) {
          if (part) lines.push([side, layer, branch, ...partCells(part)]);
        }
      }
    }
  }
  return lines;
}

function partCells(part: Update): Array<string | number | null> {
  const tokens = (effects: Update['promotes']) =>
    effects.map(({ token }) => token.text).join(' | ');
  return [
    part.node,
    part.activation ?? null,
    part.score,
    part.norm,
    part.share,
    tokens(part.promotes),
    tokens(part.suppresses),
  ];
}

/** What a layer of the model adds, in order. */
export function branchesOf(model: { has_encoder: boolean } | null): readonly Branch[] {
  return model?.has_encoder ? ['heads', 'cross_heads', 'neurons'] : ['heads', 'neurons'];
}

/** The node that a branch is as a whole. */
export function partOf(
  branch: Branch,
  layer: number,
  model: { attention_layers: readonly number[] } | null,
): 'attn' | 'mixer' | 'cross' | 'mlp' {
  if (branch === 'neurons') return 'mlp';
  return branch === 'cross_heads' ? 'cross' : mixerOf(layer, model);
}
