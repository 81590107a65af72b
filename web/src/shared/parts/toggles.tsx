/** How several views are shown: which way round, and as a table. */
import { change, useSpec } from '../state/store';

export function FlipButton() {
  const { flipped } = useSpec();
  return (
    <button
      type="button"
      className="quiet"
      aria-pressed={flipped}
      data-testid="flip"
      title={
        flipped ? 'Layer 0 is at the top: turn round' : 'The last layer is at the top: turn round'
      }
      onClick={() => change({ flipped: !flipped }, 'replace')}
    >
      {flipped ? 'layers ↓' : 'layers ↑'}
    </button>
  );
}

export function ViewToggles() {
  const { table } = useSpec();
  return (
    <button
      type="button"
      className="quiet"
      aria-pressed={table}
      data-testid="as-table"
      onClick={() => change({ table: !table }, 'replace')}
    >
      View as table
    </button>
  );
}
