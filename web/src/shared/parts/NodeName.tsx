/** A node's own name, or what it does in words, wherever the node appears; nothing where it has none. */
import { useLabelsOf } from '../api/nodeLabels';
import { useNodeName } from '../api/workspace';
import { fromWords, scoreWords } from '../text/nodeLabels';

export function NodeName({ node }: { node: string }) {
  const named = useNodeName(node);
  if (named?.name)
    return (
      <bdi className="node-name" title={named.note || `${node}, named by you`}>
        {named.name}
      </bdi>
    );
  return <NodeLabel node={node} />;
}

/** What a node does in words, beside whatever name it has. */
export function NodeLabel({ node }: { node: string }) {
  const label = useLabelsOf(node)[0];
  if (!label) return null;
  const title = [label.text, fromWords(label), scoreWords(label)].filter(Boolean).join('\n');
  return (
    <bdi
      className={`node-name ${label.supported === false ? 'faint' : ''}`}
      title={title}
      data-testid="node-label"
    >
      {label.text}
    </bdi>
  );
}
