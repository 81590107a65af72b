/** What is chosen: an edge with its effect and what is measured of it, or a node with its edges. */
import {
  dropOf,
  edgesAt,
  withoutPosition,
  type CircuitData,
  type Edge,
} from '../../draw/circuit/data';
import { edgeWords, nodeWords } from '../../draw/circuit/text';
import { figures, percent, signed } from '../../draw/format';
import type { Analysis } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { NodeName } from '../../shared/parts/NodeName';
import { openPage } from '../../shared/state/exploring';
import { change, useSpec } from '../../shared/state/store';
import { hasPage, parseTarget } from '../../shared/text/address';
import { setCircuit, useCircuitSpec } from './circuitState';
import { leaveAlone, putIn, takeOut } from './hand';
import type { CircuitAnswer } from './query';

interface Props {
  data: CircuitData;
  measured: Analysis<CircuitAnswer>;
}

export function CircuitChosen({ data, measured }: Props) {
  const { chosen, exclude } = useCircuitSpec();
  if (chosen === null)
    return <p className="faint">Choose an edge or a node of the circuit for what it does.</p>;
  const edge = data.edgeOf.get(chosen);
  return (
    <section className="circuit-chosen" aria-label="Chosen" data-testid="circuit-chosen">
      <h3 className="mono">{chosen}</h3>
      {edge ? (
        <OfEdge edge={edge} data={data} measured={measured} />
      ) : data.nodes.has(chosen) ? (
        <OfNode node={chosen} data={data} />
      ) : (
        <p>
          It is not in the circuit.{' '}
          <button
            type="button"
            className="link"
            data-testid="put-in"
            onClick={() => putBack(chosen, exclude)}
          >
            Put it in
          </button>
        </p>
      )}
      <p className="circuit-acts">
        {edge || data.nodes.has(chosen) ? (
          <button type="button" data-testid="take-out" onClick={() => takeOut(chosen)}>
            Take it out
          </button>
        ) : null}
        <button
          type="button"
          className="link"
          onClick={() => setCircuit({ chosen: null, measured: false }, 'replace')}
        >
          Leave
        </button>
      </p>
    </section>
  );
}

function putBack(name: string, exclude: readonly string[]): void {
  if (exclude.includes(name)) leaveAlone(name);
  else putIn(name);
}

function OfEdge({ edge, data, measured }: { edge: Edge } & Props) {
  const state = useCircuitSpec();
  const found = measured.data?.edges.find(
    ({ source, target }) => source === edge.source && target === edge.target,
  );
  const known = edge.measured == null && state.measured && measured.current ? found : edge;
  const drop = known ? dropOf(data, known) : null;
  return (
    <>
      <p>{edgeWords(edge)}</p>
      <dl className="circuit-facts">
        <Fact name="estimated" value={edge.effect} />
        <Fact name="measured" value={known?.measured} />
        <Fact name="in the circuit" value={known?.within} />
        {drop === null ? null : (
          <div>
            <dt>faithfulness without it</dt>
            <dd className="number" data-testid="edge-drop">
              {percent(-drop)}
            </dd>
          </div>
        )}
      </dl>
      {known?.measured == null ? (
        <p>
          <button
            type="button"
            className="primary"
            data-testid="measure-edge"
            disabled={measured.busy && state.measured}
            title="Leaves the edge out of the whole model, and of the circuit: two runs"
            onClick={() => setCircuit({ measured: true }, 'replace')}
          >
            Measure it
          </button>
        </p>
      ) : null}
      {state.measured ? (
        <ErrorNote error={measured.error} retry={measured.retry} stale={false} />
      ) : null}
      <p className="faint">
        From <NodeLink node={edge.source} /> to <NodeLink node={edge.reader} />
      </p>
    </>
  );
}

function Fact({ name, value }: { name: string; value: number | null | undefined }) {
  if (value == null) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd className="number" title={String(value)}>
        {signed(value, 3)}
      </dd>
    </div>
  );
}

function OfNode({ node, data }: { node: string; data: CircuitData }) {
  const spec = useSpec();
  const name = withoutPosition(node);
  const target = parseTarget(name);
  const paged = target !== null && hasPage(target);
  return (
    <>
      <p>
        {nodeWords(node)} <NodeName node={name} />
      </p>
      <Ends title="reads" edges={edgesAt(data, node, 'into')} />
      <Ends title="is read by" edges={edgesAt(data, node, 'from')} />
      <p className="circuit-acts">
        {paged ? (
          <>
            <button type="button" className="link" onClick={() => change({ node: name })}>
              Look at {name}
            </button>
            <button
              type="button"
              className="link"
              data-testid="circuit-page"
              onClick={() => openPage(name)}
            >
              Open its page
            </button>
          </>
        ) : null}
        <button
          type="button"
          className="link"
          data-testid="circuit-attribution"
          title="Its rows in the list of all nodes, at every position"
          onClick={() =>
            change({
              view: 'attribution',
              attribution: { ...spec.attribution, grouping: 'nodes', find: name },
            })
          }
        >
          In Attribution
        </button>
      </p>
    </>
  );
}

const LISTED = 5;

function Ends({ title, edges }: { title: string; edges: readonly Edge[] }) {
  if (edges.length === 0) return null;
  return (
    <div>
      <p className="faint">
        {title}
        {edges.length > LISTED ? `, the first ${LISTED} of ${edges.length} edges` : ''}
      </p>
      <ul className="circuit-ends">
        {edges.slice(0, LISTED).map((edge) => (
          <li key={edge.id}>
            <button
              type="button"
              className="link mono"
              onClick={() => setCircuit({ chosen: edge.id, measured: false }, 'replace')}
            >
              {edge.id}
            </button>{' '}
            <span className="number">{figures(edge.effect)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function NodeLink({ node }: { node: string }) {
  return (
    <button
      type="button"
      className="link mono"
      onClick={() => setCircuit({ chosen: node, measured: false }, 'replace')}
    >
      {node}
    </button>
  );
}
