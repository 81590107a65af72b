/** A graph that takes long: what it will take, beside its start. */
import { bytes, count, duration } from '../../draw/format';
import { isShort, type Cost } from './estimate';

export function GraphCost({ cost, busy }: { cost: Cost; busy: boolean }) {
  const { known, begun, start } = cost;
  if (known === null || isShort(known)) return null;
  return (
    <div className="graph-cost" data-testid="graph-cost">
      <p>
        About <strong className="number">{duration(known.seconds)}</strong> ·{' '}
        <span className="number">{bytes(known.memory)}</span> of memory ·{' '}
        <span className="number">{count(known.n_nodes, 'node')}</span> before any is pruned
        <span className="faint">
          {' '}
          · {known.n_chosen.toLocaleString('en')} of {known.n_active.toLocaleString('en')} active
          latents; fewer take less
        </span>
      </p>
      {known.lack === null ? null : (
        <p className="problem" data-testid="graph-lack">
          It will not fit: {known.lack}.
        </p>
      )}
      {begun ? null : (
        <p className="making-actions">
          <button
            type="button"
            className={known.lack === null ? 'primary' : ''}
            disabled={busy}
            data-testid="start-graph"
            onClick={start}
          >
            {known.lack === null ? 'Make the graph' : 'Try it all the same'}
          </button>
        </p>
      )}
    </div>
  );
}
