/** An edge: what it says, and beside it what was measured by taking its source out. */
import type { Edge, GraphData } from '../../draw/graph/data';
import { weightWords } from '../../draw/graph/text';
import type { Analysis } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { openPage } from '../../shared/state/exploring';
import { GraphNodeName } from './GraphNodeName';
import { choose, setGraph, useGraphSpec } from './graphState';
import { measurable, type EdgeAnswer } from './query';

interface Props {
  edge: Edge;
  data: GraphData;
  measured: Analysis<EdgeAnswer>;
  ofFile: boolean;
}

export function ChosenEdge({ edge, data, measured, ofFile }: Props) {
  const state = useGraphSpec();
  const found = state.measured && measured.current ? measured.data : null;
  const can = measurable(edge.id) !== null && !ofFile;
  return (
    <>
      <h3>Edge</h3>
      <p className="graph-ends">
        <End data={data} id={edge.source} /> <span className="faint">adds to</span>{' '}
        <End data={data} id={edge.target} />
      </p>
      <Numbers edge={edge} found={found} />
      {can && found === null ? (
        <p>
          <button
            type="button"
            className="primary"
            data-testid="measure-edge"
            disabled={measured.busy && state.measured}
            title="Runs the prompt without the source, once with all else held and once as it is (Enter)"
            onClick={() => setGraph({ measured: true }, 'replace')}
          >
            Measure it
          </button>
        </p>
      ) : null}
      {can ? null : (
        <p className="faint">
          {ofFile
            ? 'An edge of a file cannot be measured: its run is not here.'
            : 'A group’s edge is a sum: take the group apart to measure one of them.'}
        </p>
      )}
      {state.measured ? (
        <ErrorNote error={measured.error} retry={measured.retry} stale={false} ofNode />
      ) : null}
      {found ? <Pairs found={found} /> : null}
    </>
  );
}

function End({ data, id }: { data: GraphData; id: string }) {
  return (
    <button type="button" className="link" onClick={() => choose(id)}>
      <GraphNodeName data={data} id={id} />
    </button>
  );
}

const ROWS = [
  ['weight', 'predicted', 'What the edge says that the source adds.'],
  [
    'held',
    'measured, all else held',
    'What the target loses without the source: patterns, norms and all other nodes as they are.',
  ],
  [
    'live',
    'measured as it is',
    'What the target loses in the model as it is, where patterns, norms and other latents change too.',
  ],
] as const;

function Numbers({ edge, found }: { edge: Edge; found: EdgeAnswer | null }) {
  const values = found ?? { weight: edge.weight, held: null, live: null };
  const most = Math.max(...ROWS.map(([name]) => Math.abs(values[name] ?? 0)), 1e-12);
  return (
    <dl className="graph-measured" data-testid="edge-numbers">
      {ROWS.map(([name, words, note]) => {
        const value = values[name];
        return value === null ? null : (
          <div key={name} title={note}>
            <dt>{words}</dt>
            <dd>
              <span
                className={`graph-bar ${value < 0 ? 'minus' : 'plus'}`}
                style={{ width: `${(Math.abs(value) / most) * 60}px` }}
                aria-hidden="true"
              />
              <span className="number" data-testid={`edge-${name}`} title={String(value)}>
                {weightWords(value)}
              </span>
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function Pairs({ found }: { found: EdgeAnswer }) {
  if (found.pairs.length === 0) return null;
  return (
    <section aria-label="Attention that it goes through">
      <p>
        <strong>Through</strong>{' '}
        <span className="faint">heads at query and key; a path through several counts at each</span>
      </p>
      <ul className="graph-pairs">
        {found.pairs.map(({ name, weight }) => (
          <li key={name}>
            <button
              type="button"
              className="link mono"
              onClick={() => openPage(name.split('@')[0] ?? name)}
            >
              {name}
            </button>
            <span className="number" title={String(weight)}>
              {weightWords(weight)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
