/** Whether every edge is needed: each left out of the circuit, and what faithfulness loses by it. */
import { dropOf, type CircuitData } from '../../draw/circuit/data';
import { count } from '../../draw/format';
import { LIMITS } from '../../questions.gen';
import { setCircuit, useCircuitSpec } from './circuitState';
import { takeAllOut } from './hand';

/** Of faithfulness: less than this is nothing. */
const NOTHING = 0.005;

export function Minimality({ data }: { data: CircuitData }) {
  const { measure } = useCircuitSpec();
  const known = data.edges.filter((edge) => dropOf(data, edge) !== null);
  // Each is left out of the model, and of the circuit.
  const most = Math.min(data.edges.length, Math.floor((LIMITS.max_circuit_runs - 2) / 2));
  const idle = known.filter((edge) => Math.abs(dropOf(data, edge) ?? 0) < NOTHING);
  return (
    <section className="circuit-minimal" aria-label="Minimality" data-testid="minimality">
      <h3>Is each edge needed?</h3>
      {known.length > 0 ? (
        <p>
          Of {count(known.length, 'edge')} measured one by one, {idle.length} can be left out and
          nothing of the answer is lost (under {100 * NOTHING} %).{' '}
          {idle.length > 0 ? (
            <button
              type="button"
              className="link"
              data-testid="take-idle"
              onClick={() => takeAllOut(idle.map(({ id }) => id))}
            >
              Take these out
            </button>
          ) : null}
        </p>
      ) : null}
      {most > 0 && measure < most ? (
        <p>
          <button
            type="button"
            data-testid="measure-all"
            title={`${count(2 * most, 'run')}: each edge left out of the model, and of the circuit`}
            onClick={() => setCircuit({ measure: most })}
          >
            Measure {most < data.edges.length ? `the first ${most}` : `all ${most}`}
          </button>{' '}
          <span className="faint">{count(2 * most, 'run')}</span>
        </p>
      ) : null}
    </section>
  );
}
