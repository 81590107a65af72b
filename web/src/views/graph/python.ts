/** The Python that reproduces the graph. */
import { promptPython } from '../../shared/text/chat';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { graphBody, type Graph } from './graphState';
import { measurable, useOpened, type GraphAnswer, type Opened } from './query';

export function graphPython(page: Page): string {
  const { opened } = useOpened.getState();
  return `${(opened ? ofFile(opened, page) : ofPrompt(page)).join('\n')}\n`;
}

/** Which model a file is of, it does not say: an edge of it is not measured. */
function ofFile({ file, graph, own }: Opened, { spec }: Page): string[] {
  return [
    'import unembed as ue',
    '',
    `graph = ue.load_graph(${quote(file)})`,
    ...shownPython(spec.graph, graph, own),
  ];
}

function ofPrompt({ model, spec, position }: Page): string[] {
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
  return [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    ...transcodersOf(model).map(
      (site) => `# attached here: model.attach(ue.load_sae(source, ${quote(site)}))`,
    ),
    `prompt = ${promptPython(spec)}`,
    `graph = ue.attribution_graph(model, prompt, ${optionsPython(options).join(', ')})`,
    ...shownPython(graph, graph, true),
    ...(ends
      ? [
          `print(ue.measure_edge(${['model, prompt', ...ends.map(quote), ...optionsPython(explained)].join(', ')}))`,
        ]
      : []),
  ];
}

type Made = Pick<GraphAnswer, 'node_threshold' | 'edge_threshold'>;

/** Pruned and taken together as the page shows it; `scored`: it says how good it is. */
function shownPython(graph: Graph, made: Made, scored: boolean): string[] {
  return [
    ...prunedPython([
      ['nodes', graph.nodes, made.node_threshold],
      ['edges', scored ? graph.edges : 1, made.edge_threshold],
    ]),
    ...groupedPython(graph.groups),
    scored ? 'print(graph, graph.replacement, graph.completeness)' : 'print(graph)',
    graph.groups.length > 0
      ? 'print(*graph.group_edges()[:10], sep="\\n")'
      : 'print(graph.to_pandas())',
  ];
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
