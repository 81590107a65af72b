/** The edges of the circuit as a table: largest effect first. */
import { dropOf, type CircuitData } from '../../draw/circuit/data';
import { percent, signed } from '../../draw/format';
import { setCircuit, useCircuitSpec } from './circuitState';

const MOST = 500;

export function CircuitTable({ data }: { data: CircuitData }) {
  const { chosen } = useCircuitSpec();
  const measured = data.edges.some((edge) => edge.measured != null);
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="circuit-table" tabIndex={0} aria-label="Edges of the circuit as a table">
      <table data-testid="circuit-table">
        <thead>
          <tr>
            <th scope="col">edge</th>
            <th scope="col" className="number">
              estimated
            </th>
            {measured ? (
              <>
                <th scope="col" className="number">
                  measured
                </th>
                <th scope="col" className="number">
                  in the circuit
                </th>
                <th scope="col" className="number">
                  faithfulness without
                </th>
              </>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {data.edges.slice(0, MOST).map((edge) => (
            <tr key={edge.id} className={edge.id === chosen ? 'chosen' : ''}>
              <th scope="row">
                <button
                  type="button"
                  className="link mono"
                  onClick={() => setCircuit({ chosen: edge.id, measured: false }, 'replace')}
                >
                  {edge.id}
                </button>
              </th>
              <Cell value={edge.effect} />
              {measured ? (
                <>
                  <Cell value={edge.measured} />
                  <Cell value={edge.within} />
                  <td className="number">{dropWords(dropOf(data, edge))}</td>
                </>
              ) : null}
            </tr>
          ))}
        </tbody>
      </table>
      {data.edges.length > MOST ? (
        <p className="faint">
          The first {MOST} of {data.edges.length.toLocaleString('en')} edges; the CSV has all.
        </p>
      ) : null}
    </section>
  );
}

function Cell({ value }: { value: number | null | undefined }) {
  return (
    <td className="number" title={value == null ? '' : String(value)}>
      {value == null ? '' : signed(value, 3)}
    </td>
  );
}

function dropWords(drop: number | null): string {
  return drop === null ? '' : percent(-drop);
}
