/** Names and labels that people and language models gave, on the nodes of a graph. */
import { useMemo } from 'react';
import { useLabels } from '../../shared/api/nodeLabels';
import type { ModelInfo } from '../../shared/api/queries';
import { useWorkspace } from '../../shared/api/workspace';
import type { GraphAnswer } from './query';

/** Whether its latents are features of a graph: of a transcoder, of one layer or of all. */
export function isTranscoder({ kind }: Pick<ModelInfo['attached'][number], 'kind'>): boolean {
  return kind === 'transcoder' || kind === 'clt';
}

/** The component that a node is of, as the rest of the app names it; null: it has no page. */
export function componentOf(id: string, model: Pick<ModelInfo, 'attached'> | null): string | null {
  const found = /^(?:(embed)|L(\d+)\.(?:F(\d+)|(mlp)))@\d+$/.exec(id);
  if (!found) return null;
  const [, embed, layer, latent, mlp] = found;
  if (embed) return 'embed';
  if (mlp) return `L${layer}.mlp`;
  const own = model?.attached.find((one) => isTranscoder(one) && one.layer === Number(layer));
  return own ? `${own.stem}${latent}` : null;
}

export interface Words {
  words: string;
  supported: boolean | null;
}

/** As `AttributionGraph.said` does it: of a component at all positions. */
export function said(
  graph: GraphAnswer,
  labels: ReadonlyMap<string, Words>,
  model: Pick<ModelInfo, 'attached'> | null,
): GraphAnswer {
  if (labels.size === 0) return graph;
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      ...labels.get(componentOf(node.name, model) ?? ''),
    })),
  };
}

/** With what was named and labelled since it was answered. */
export function useSaid(graph: GraphAnswer | null, model: ModelInfo | null): GraphAnswer | null {
  const names = useWorkspace().data?.names;
  const labels = useLabels().data?.labels;
  return useMemo(() => {
    if (!graph) return null;
    // The first label of a node is the one that is shown, and a name of a person's own goes first.
    const all: Array<[string, Words]> = [
      ...(labels ?? [])
        .toReversed()
        .map(({ node, text, supported }): [string, Words] => [
          node,
          { words: text, supported: supported ?? null },
        ]),
      ...(names ?? []).flatMap(({ node, name }): Array<[string, Words]> =>
        name ? [[node, { words: name, supported: null }]] : [],
      ),
    ];
    return said(graph, new Map(all), model);
  }, [graph, model, names, labels]);
}
