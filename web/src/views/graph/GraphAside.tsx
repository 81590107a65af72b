/** Beside the drawing: what is chosen with its edges, what is taken together, and how good the graph is. */
import type { GraphData } from '../../draw/graph/data';
import { part, percent } from '../../draw/format';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { ChosenEdge } from './ChosenEdge';
import { ChosenNode } from './ChosenNode';
import { Groups } from './Groups';
import { setGraph, useGraphSpec } from './graphState';
import type { EdgeAnswer, GraphAnswer } from './query';

export interface AsideProps {
  answer: GraphAnswer;
  data: GraphData;
  whole: GraphData;
  model: ModelInfo | null;
  edge: Analysis<EdgeAnswer>;
  /** Its scores are known. */
  own: boolean;
  ofFile: boolean;
}

export function GraphAside(props: AsideProps) {
  const { answer, data, own } = props;
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <aside className="graph-aside" aria-label="The graph in numbers" tabIndex={0}>
      <Chosen {...props} />
      <Groups data={data} />
      {own ? <Scores answer={answer} /> : null}
    </aside>
  );
}

function Chosen({ answer, data, whole, model, edge, ofFile }: AsideProps) {
  const { chosen } = useGraphSpec();
  if (chosen === null)
    return (
      <p className="faint">
        Choose a node for what makes it and what it makes, an edge to measure it.
      </p>
    );
  const [asEdge, asNode] = [data.edgeOf.get(chosen), data.nodeOf.get(chosen)];
  return (
    <section className="graph-chosen" aria-label="Chosen" data-testid="graph-chosen">
      {asEdge ? <ChosenEdge {...{ data, edge: asEdge, ofFile }} measured={edge} /> : null}
      {asNode ? <ChosenNode {...{ data, whole, model, answer }} node={asNode} /> : null}
      {asEdge || asNode ? null : (
        <>
          <h3 className="mono">{chosen}</h3>
          <p>
            It is not shown: the sliders above leave it out, or it is no part of this graph, or of a
            group.
          </p>
        </>
      )}
      <p className="circuit-acts">
        <button
          type="button"
          className="link"
          onClick={() => setGraph({ chosen: null, measured: false }, 'replace')}
        >
          Leave
        </button>
      </p>
    </section>
  );
}

function Scores({ answer }: { answer: GraphAnswer }) {
  const { replacement, completeness, unexplored, n_active, n_chosen } = answer;
  return (
    <section aria-label="How good the graph is" data-testid="graph-scores">
      <h3>How good it is</h3>
      <dl className="graph-scores">
        <Score name="replacement" value={part(replacement)}>
          of the influence that reaches the answer comes from tokens through latents; the rest comes
          from errors: what transcoders leave over, and layers without one.
        </Score>
        <Score name="completeness" value={part(completeness)}>
          of what goes into a node, in the mean by influence, comes from no error.
        </Score>
        <Score name="not explored" value={percent(unexplored)}>
          of all influence comes from active latents that are no nodes:{' '}
          {n_chosen.toLocaleString('en')} of {n_active.toLocaleString('en')} are.
        </Score>
      </dl>
      <p className="faint">Of the graph before any of it is pruned.</p>
    </section>
  );
}

function Score({
  name,
  value,
  children,
}: {
  name: string;
  value: string;
  children: React.ReactNode;
}) {
  return (
    <div>
      <dt>
        {name} <strong className="number">{value}</strong>
      </dt>
      <dd className="faint">{children}</dd>
    </div>
  );
}
