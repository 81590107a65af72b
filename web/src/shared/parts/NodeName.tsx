/** A node's own name, wherever the node appears; nothing where it has none. */
import { useNodeName } from '../api/workspace';

export function NodeName({ node }: { node: string }) {
  const named = useNodeName(node);
  if (!named?.name) return null;
  return (
    <bdi className="node-name" title={named.note || `${node}, named by you`}>
      {named.name}
    </bdi>
  );
}
