/** What a lens will cost, from the model's sizes alone: said as an estimate, never promised. */
import { decoderBlocks, rowNames, shownPositions, type Blocks } from './lensRows';
import type { Spec } from '../../shared/text/url';

export interface Sizes extends Blocks {
  d_model: number;
  d_mlp: number;
  vocab_size: number;
}

export interface GridCost {
  rows: number;
  columns: number;
  /** One for the baseline, one for the edits. */
  runs: number;
  cells: number;
  /** Passes of the whole prompt through the decoder. */
  passes: number;
  seconds: number;
}

/** One multiplication and one addition for each weight. */
const OPERATIONS_PER_WEIGHT = 2;
/** What two cores reach in fp32. */
const OPERATIONS_PER_SECOND = 6e10;

/** `length`: tokens of the prompt, of which the lens may read only some. */
export function lensCost(
  model: Sizes | null,
  spec: Pick<Spec, 'lens' | 'positions' | 'edits'>,
  length: number,
): GridCost {
  if (!model) return { rows: 0, columns: 0, runs: 1, cells: 0, passes: 0, seconds: 0 };
  const rows = rowNames(model, spec.lens).length;
  const columns = (shownPositions(spec.positions, length) ?? []).length || length;
  const runs = spec.edits.some((made) => made.enabled) ? 2 : 1;
  const cells = rows * columns * runs;
  const blocks = decoderBlocks(spec.lens.decoder, model.n_layers);
  const passes = blocks > 0 ? (rows - 1) * runs : 0;
  // Four square maps of attention and three of the feed-forward: close enough for every family.
  const block = 4 * model.d_model ** 2 + 3 * model.d_model * model.d_mlp;
  const weights = cells * model.d_model * model.vocab_size + passes * length * blocks * block;
  return {
    rows,
    columns,
    runs,
    cells,
    passes,
    seconds: (weights * OPERATIONS_PER_WEIGHT) / OPERATIONS_PER_SECOND,
  };
}
