/** Which rows a lens has, and what reading them costs: known before the server is asked. */
import { PARALLEL_MID } from '../../draw/residual';
import type { LensState } from './lensState';

export interface Blocks {
  n_layers: number;
  parallel_blocks: boolean;
  has_encoder: boolean;
}

type RowChoice = Pick<LensState, 'include_embedding' | 'layer_step' | 'subblocks' | 'decoder'>;

/** Where a decoder enters the model; null: after all blocks. */
export interface Entry {
  layer: number;
  /** Only the feed-forward of that block is run, then all that follows. */
  mlp: boolean;
}

/** "last_mlp" of 18 layers is {17, mlp}; "final_norm" is null. */
export function decoderEntry(decoder: LensState['decoder'], layers: number): Entry | null {
  if (typeof decoder !== 'string') return moduleEntry(decoder);
  if (decoder === 'last_block') return { layer: layers - 1, mlp: false };
  if (decoder === 'last_mlp') return { layer: layers - 1, mlp: true };
  const found = /^L(\d{1,4})(\.mlp)?$/.exec(decoder);
  return found ? { layer: Number(found[1]), mlp: found[2] !== undefined } : null;
}

/**
 * Where a suffix that is given by its modules begins: at the first that has a number, "h.47" or
 * "h.47.mlp". Attention and feed-forward of one block together are that block. The server refuses
 * what is no suffix.
 */
function moduleEntry(modules: readonly string[]): Entry | null {
  const found = modules.flatMap((name) => {
    const block = /(?:^|\.)(\d{1,4})(\..+)?$/.exec(name);
    return block ? [{ layer: Number(block[1]), inside: block[2] !== undefined }] : [];
  });
  const [first, second] = found;
  if (!first) return null;
  return { layer: first.layer, mlp: first.inside && second?.layer !== first.layer };
}

/** What reads a row, in words: "the final norm", "the last 2 blocks". */
export function decoderWords(decoder: LensState['decoder'], layers: number): string {
  const entry = decoderEntry(decoder, layers);
  if (!entry) return 'final norm';
  const blocks = layers - entry.layer;
  if (entry.mlp) return blocks === 1 ? 'last feed-forward' : `from L${entry.layer} feed-forward`;
  if (blocks === 1) return 'last block';
  return blocks === 2 ? 'last 2 blocks' : `from block L${entry.layer}`;
}

/** How many blocks a decoder runs for each row; the feed-forward of one counts as half. */
export function decoderBlocks(decoder: LensState['decoder'], layers: number): number {
  const entry = decoderEntry(decoder, layers);
  return entry ? Math.max(0, layers - entry.layer - (entry.mlp ? 0.5 : 0)) : 0;
}

/** Names of the rows, bottom to top, as the server names them. */
export function rowNames(model: Blocks, choice: RowChoice): string[] {
  const last = model.n_layers - 1;
  const entry = decoderEntry(choice.decoder, model.n_layers);
  const rows = choice.include_embedding ? ['embed'] : [];
  const read = (layer: number) => !entry || layer < entry.layer;
  for (let layer = 0; layer <= last; layer++) {
    if (layer % choice.layer_step !== 0 && layer !== last) continue;
    const mid = read(layer) || (entry?.mlp === true && layer === entry.layer);
    if (choice.subblocks && mid) {
      rows.push(`L${layer}.${model.parallel_blocks ? PARALLEL_MID : 'resid_mid'}`);
      if (model.has_encoder) rows.push(`L${layer}.resid_mid_cross`);
    }
    if (read(layer) || layer === last) rows.push(`L${layer}.resid_post`);
  }
  return rows;
}

/** "every block", "every 2nd block, after attention too". */
export function rowWords(choice: RowChoice): string {
  const every =
    choice.layer_step === 1 ? 'every block' : `every ${ordinal(choice.layer_step)} block`;
  return [
    every,
    ...(choice.subblocks ? ['sub-blocks'] : []),
    ...(choice.include_embedding ? [] : ['no embedding']),
  ].join(', ');
}

function ordinal(number: number): string {
  const teen = number % 100 >= 11 && number % 100 <= 13;
  const ending = teen ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${ending}`;
}

/** Positions of the prompt that are read; null where none of those chosen is in it. */
export function shownPositions(chosen: readonly number[] | null, length: number): number[] | null {
  if (!chosen) return Array.from({ length }, (_, position) => position);
  const inside = chosen
    .map((position) => (position < 0 ? length + position : position))
    .filter((position) => position >= 0 && position < length);
  return inside.length > 0 ? [...new Set(inside)].toSorted((a, b) => a - b) : null;
}

/** "all 9", "75–100 of 160", "only 75", "12 of 160". */
export function positionWords(chosen: readonly number[] | null, length: number): string {
  const shown = shownPositions(chosen, length) ?? [];
  const [first, last] = [shown[0] ?? 0, shown.at(-1) ?? 0];
  if (shown.length === length || shown.length === 0) return `all ${length.toLocaleString('en')}`;
  const together = last - first + 1 === shown.length;
  if (first === last) return `only ${first}`;
  return `${together ? `${first}–${last}` : shown.length} of ${length.toLocaleString('en')}`;
}
