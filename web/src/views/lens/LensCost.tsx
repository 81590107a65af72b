/** A grid that takes minutes says so before it starts. */
import { useState } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { count, duration } from '../../draw/format';
import { lensCost, type GridCost } from './lensCost';
import { setLens } from './lensState';
import { change, useSpec } from '../../shared/state/store';

/** Grids up to this size start by themselves. */
const CELLS_AT_ONCE = 8_000;
const SECONDS_AT_ONCE = 60;

export interface LensCost extends GridCost {
  agreed: boolean;
  agree: () => void;
  limit: number;
}

export function useCost(model: ModelInfo | null, length: number): LensCost {
  const spec = useSpec();
  const [agreedTo, setAgreedTo] = useState<string | null>(null);
  const cost = lensCost(model, spec, length);
  const key = JSON.stringify([
    spec.prompt,
    spec.chat,
    spec.positions,
    spec.lens.decoder,
    cost.rows,
  ]);
  return {
    ...cost,
    agreed: (cost.cells <= CELLS_AT_ONCE && cost.seconds <= SECONDS_AT_ONCE) || agreedTo === key,
    agree: () => setAgreedTo(key),
    limit: model?.limits.max_lens_cells ?? Infinity,
  };
}

const FEWER = [
  ['every 4th block', { layer_step: 4, subblocks: false }],
  ['the last 64 positions', null],
] as const;

export function Cost({ cost, length }: { cost: LensCost; length: number }) {
  const sides = cost.runs === 2 ? ' × 2 sides' : '';
  const size = `${count(cost.rows, 'row')} × ${count(cost.columns, 'position')}${sides} = ${cost.cells.toLocaleString('en')} cells`;
  const over = cost.cells > cost.limit;
  return (
    <section className="no-lens" data-testid="lens-cost">
      <h2>{over ? 'This grid is larger than the server allows' : 'This grid is large'}</h2>
      <p>
        {size}
        {over ? `; the limit is ${cost.limit.toLocaleString('en')}. ` : '. '}
        {over ? null : <Work cost={cost} />}
      </p>
      <p className="cost-actions">
        {over ? null : (
          <button type="button" className="primary" data-testid="lens-agree" onClick={cost.agree}>
            Compute the grid
          </button>
        )}
        <span className="faint">{over ? 'Read less:' : 'or read less:'}</span>
        {FEWER.map(([words, patch]) => (
          <button
            key={words}
            type="button"
            onClick={() => (patch ? setLens(patch) : change({ positions: lastPositions(length) }))}
          >
            {words}
          </button>
        ))}
      </p>
    </section>
  );
}

function Work({ cost }: { cost: LensCost }) {
  return (
    <>
      Each is read through the whole vocabulary
      {cost.passes > 0
        ? `, after ${cost.passes.toLocaleString('en')} passes of the prompt through the decoder`
        : ''}
      : about {duration(cost.seconds)} on two processor cores. It can be cancelled at any time;
      Predictions reads one position only.
    </>
  );
}

function lastPositions(length: number): number[] {
  const first = Math.max(0, length - 64);
  return Array.from({ length: length - first }, (_, at) => first + at);
}
