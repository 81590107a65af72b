/** A node: what it is, what goes into it and out of it. */
import { edgesAt, type GraphData, type Node } from '../../draw/graph/data';
import { factsOf, nameOf, nodeWords } from '../../draw/graph/text';
import type { ModelInfo } from '../../shared/api/queries';
import { NodeName } from '../../shared/parts/NodeName';
import { openPage } from '../../shared/state/exploring';
import { change } from '../../shared/state/store';
import { hasPage, parseTarget } from '../../shared/text/address';
import { EdgeList } from './EdgeList';
import { takeApart, toggleMark, usePassing } from './graphState';
import { componentOf } from './labels';
import type { GraphAnswer } from './query';

interface Props {
  node: Node;
  data: GraphData;
  whole: GraphData;
  model: ModelInfo | null;
  answer: GraphAnswer;
}

export function ChosenNode({ node, data, whole, model }: Props) {
  const component = componentOf(node.id, model);
  return (
    <>
      <h3 className={node.kind === 'group' ? '' : 'mono'}>{nameOf(node)}</h3>
      <p>
        {node.kind === 'group' || node.label === '' ? null : (
          <bdi className="graph-label">{node.label} </bdi>
        )}
        <span className="faint">{nodeWords(data, node)}</span>{' '}
        {component === null ? null : <NodeName node={component} />}
      </p>
      <dl className="circuit-facts">
        {factsOf(node).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="number">{value}</dd>
          </div>
        ))}
      </dl>
      <Acts node={node} component={component} />
      {node.kind === 'group' ? <Members node={node} whole={whole} /> : null}
      <EdgeList end="into" data={data} edges={edgesAt(data, node.id, 'into')} />
      <EdgeList end="from" data={data} edges={edgesAt(data, node.id, 'from')} />
    </>
  );
}

function Acts({ node, component }: { node: Node; component: string | null }) {
  const picked = usePassing((state) => state.marked.includes(node.id));
  const target = component === null ? null : parseTarget(component);
  const paged = target !== null && hasPage(target) ? component : null;
  return (
    <p className="circuit-acts">
      {paged === null ? null : (
        <>
          <button type="button" className="link" onClick={() => change({ node: paged })}>
            Look at {paged}
          </button>
          <button
            type="button"
            className="link"
            data-testid="graph-page"
            onClick={() => openPage(paged)}
          >
            Open its page
          </button>
        </>
      )}
      {node.kind === 'group' ? (
        <button
          type="button"
          className="link"
          data-testid="take-apart"
          onClick={() => takeApart(node.label)}
        >
          Take it apart
        </button>
      ) : (
        <button
          type="button"
          className="link"
          data-testid="mark"
          aria-pressed={picked}
          title="For a group (s)"
          onClick={() => toggleMark(node.id)}
        >
          {picked ? 'Picked for a group' : 'Pick it for a group'}
        </button>
      )}
    </p>
  );
}

function Members({ node, whole }: { node: Node; whole: GraphData }) {
  return (
    <ul className="graph-members">
      {node.members.map((id) => (
        <li key={id}>
          <span className="mono">{id}</span>{' '}
          <bdi className="faint">{whole.nodeOf.get(id)?.label}</bdi>
        </li>
      ))}
    </ul>
  );
}
