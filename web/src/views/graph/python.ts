/** The Python that reproduces the graph. */
import { promptPython } from '../../shared/text/chat';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { graphBody } from './graphState';
import { measurable } from './query';

export function graphPython({ model, spec, position }: Page): string {
  const { target, distractor, graph } = spec;
  const options = {
    ...(target === '' ? {} : { target }),
    ...(distractor === '' ? {} : { distractor }),
    position,
    ...graphBody(graph),
  };
  const ends = graph.measured && graph.chosen !== null ? measurable(graph.chosen) : null;
  const ofSum = ends?.[1].startsWith('logit@') ?? false;
  const explained = ofSum
    ? { ...(target === '' ? {} : { target }), ...(distractor === '' ? {} : { distractor }) }
    : {};
  const lines = [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    ...transcodersOf(model).map(
      (site) => `# attached here: model.attach(ue.load_sae(source, ${quote(site)}))`,
    ),
    `prompt = ${promptPython(spec)}`,
    `graph = ue.attribution_graph(model, prompt, ${optionsPython(options).join(', ')})`,
    ...prunedPython([
      ['nodes', graph.nodes, graph.node_threshold],
      ['edges', graph.edges, graph.edge_threshold],
    ]),
    ...groupedPython(graph.groups),
    'print(graph, graph.replacement, graph.completeness)',
    graph.groups.length > 0
      ? 'print(*graph.group_edges()[:10], sep="\\n")'
      : 'print(graph.to_pandas())',
    ...(ends
      ? [
          `print(ue.measure_edge(${['model, prompt', ...ends.map(quote), ...optionsPython(explained)].join(', ')}))`,
        ]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

function transcodersOf({ attached }: Page['model']): string[] {
  const found = attached ?? [];
  const crossed = found.find(({ kind }) => kind === 'clt'); // one source holds all of its layers
  const sites = found.flatMap(({ kind, site }) => (kind === 'transcoder' ? [site] : []));
  return crossed ? [crossed.site.replace(/-\d+\./, '.'), ...sites] : sites;
}

type Part = [name: string, shown: number, made: number];

/** What is no less than the graph has prunes nothing. */
function prunedPython(parts: Part[]): string[] {
  const said = parts.flatMap(([name, shown, made]) => (shown < made ? [`${name}=${shown}`] : []));
  return said.length > 0 ? [`graph = graph.pruned(${said.join(', ')})`] : [];
}

/** Nodes that are not shown are left out, as in the picture. */
function groupedPython(groups: ReadonlyArray<{ name: string; nodes: readonly string[] }>) {
  if (groups.length === 0) return [];
  return [
    'shown = {node.name for node in graph.nodes}',
    'groups = {',
    ...groups.map(({ name, nodes }) => `    ${quote(name)}: [${nodes.map(quote).join(', ')}],`),
    '}',
    'groups = {name: [n for n in nodes if n in shown] for name, nodes in groups.items()}',
    'graph = graph.grouped({name: nodes for name, nodes in groups.items() if nodes})',
  ];
}
