/** A node's name, and beside it what it is called. */
import type { GraphData } from '../../draw/graph/data';
import { nameOf, nodeWords } from '../../draw/graph/text';

export function GraphNodeName({ data, id }: { data: GraphData; id: string }) {
  const node = data.nodeOf.get(id);
  if (!node) return <span className="mono">{id}</span>;
  const named = node.kind !== 'group' && node.label !== '';
  return (
    <span className="graph-name" title={nodeWords(data, node)}>
      <span className={node.kind === 'group' ? '' : 'mono'}>{nameOf(node)}</span>
      {named ? <bdi className="faint">{node.label}</bdi> : null}
    </span>
  );
}
