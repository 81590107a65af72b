/** A grid that takes minutes says so before it starts. */
import { useState } from 'react';
import type { ModelInfo } from '../api/queries';
import { duration } from '../core/format';
import { useSpec } from '../state/store';

/** Grids up to this size start by themselves. */
const CELLS_AT_ONCE = 8_000;
/** One multiplication and one addition for each weight of the unembedding and each cell. */
const OPERATIONS_PER_WEIGHT = 2;
/** What two cores reach in fp32; said as an estimate, never promised. */
const OPERATIONS_PER_SECOND = 6e10;

export interface LensCost {
  agreed: boolean;
  agree: () => void;
  cells: number;
  rows: number;
  columns: number;
  limit: number;
  seconds: number;
}

export function useCost(model: ModelInfo | null, columns: number): LensCost {
  const { prompt, sublayers, edits } = useSpec();
  const [agreedTo, setAgreedTo] = useState<string | null>(null);
  const key = `${sublayers} ${prompt}`;
  const rows = model ? model.n_layers * (sublayers && !model.parallel_blocks ? 2 : 1) + 1 : 0;
  const runs = edits.some((made) => made.enabled) ? 2 : 1;
  const work = model
    ? rows * columns * runs * model.d_model * model.vocab_size * OPERATIONS_PER_WEIGHT
    : 0;
  const cells = rows * columns;
  return {
    agreed: cells <= CELLS_AT_ONCE || agreedTo === key,
    agree: () => setAgreedTo(key),
    cells,
    rows,
    columns,
    limit: model?.limits.max_lens_cells ?? Infinity,
    seconds: work / OPERATIONS_PER_SECOND,
  };
}

export function Cost({ cost }: { cost: LensCost }) {
  const size = `${cost.rows} rows × ${cost.columns.toLocaleString('en')} tokens = ${cost.cells.toLocaleString('en')} cells`;
  if (cost.cells > cost.limit) {
    return (
      <section className="no-lens" data-testid="lens-cost">
        <h2>This grid is larger than the server allows</h2>
        <p>
          {size}; the limit is {cost.limit.toLocaleString('en')}. Shorten the prompt, or leave out
          the sublayers.
        </p>
      </section>
    );
  }
  return (
    <section className="no-lens" data-testid="lens-cost">
      <h2>This grid is large</h2>
      <p>
        {size}: each is read through the whole vocabulary, about {duration(cost.seconds)} on two
        processor cores. It can be cancelled at any time; Predictions reads one position only.
      </p>
      <p>
        <button type="button" className="primary" data-testid="lens-agree" onClick={cost.agree}>
          Compute the grid
        </button>
      </p>
    </section>
  );
}
