/** The edges that are shown as a table: largest first. */
import type { GraphData } from '../../draw/graph/data';
import { weightWords } from '../../draw/graph/text';
import { GraphNodeName } from './GraphNodeName';
import { choose, useGraphSpec } from './graphState';

const MOST = 500;

export function GraphTable({ data }: { data: GraphData }) {
  const { chosen } = useGraphSpec();
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="graph-table" tabIndex={0} aria-label="Edges of the graph as a table">
      <table data-testid="graph-table">
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col">to</th>
            <th scope="col" className="number">
              adds
            </th>
          </tr>
        </thead>
        <tbody>
          {data.edges.slice(0, MOST).map((edge) => (
            <tr key={edge.id} className={edge.id === chosen ? 'chosen' : ''}>
              <th scope="row">
                <button type="button" className="link" onClick={() => choose(edge.id)}>
                  <GraphNodeName data={data} id={edge.source} />
                </button>
              </th>
              <td>
                <GraphNodeName data={data} id={edge.target} />
              </td>
              <td className="number" title={String(edge.weight)}>
                {weightWords(edge.weight)}
              </td>
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
