/** An attribution graph in words and as a table to keep. */
import type { CardContent, CardSide } from '../card';
import { count, figures, percent, probability } from '../format';
import { edgesAt, isFixed, type Edge, type GraphData, type Node } from './data';

const KINDS: Readonly<Record<Node['kind'], string>> = {
  embed: 'the embedding of a token',
  latent: 'a latent of the transcoder',
  error: 'what the transcoder leaves over',
  mlp: 'all that the feed-forward adds',
  logit: 'what is explained',
  group: 'nodes taken together',
};

/** "+0.0312", "−1.28": three figures with a sign. */
export function weightWords(weight: number): string {
  return weight > 0 ? `+${figures(weight)}` : figures(weight);
}

/** "embed@2", or a group's own name. */
export function nameOf(node: Node): string {
  return node.kind === 'group' ? node.label : node.id;
}

/** What a node is called where there is little room: a token, what it raises, its own name. */
export function shortName(node: Node): string {
  return node.label === '' ? node.id.split('@')[0]! : node.label;
}

/** "a latent of the transcoder of layer 6, at position 4 ␣is". */
export function nodeWords(data: GraphData, node: Node): string {
  if (node.kind === 'group') return `${count(node.members.length, 'node')} taken together`;
  const token = data.tokens[node.position]?.label ?? '';
  const layer = isFixed(node.kind) ? '' : ` of layer ${node.layer}`;
  return `${KINDS[node.kind]}${layer}, at position ${node.position} ${token}`.trim();
}

/** What is known of a node, by name. */
export function factsOf(node: Node): Array<[name: string, value: string]> {
  if (node.kind === 'group') return [['nodes', String(node.members.length)]];
  return [
    ...fact(node.kind === 'logit' ? 'logit' : 'activation', node.value, figures),
    ...fact('probability', node.probability, probability),
    ...(node.kind === 'logit'
      ? []
      : ([['influence', figures(node.influence)]] as Array<[string, string]>)),
    ...fact('bias', node.bias, weightWords),
  ];
}

function fact(
  name: string,
  value: number | null,
  said: (value: number) => string,
): Array<[string, string]> {
  return value === null ? [] : [[name, said(value)]];
}

/** What assistive technology reads of a node or an edge. */
export function sentence(data: GraphData, id: string): string {
  const edge = data.edgeOf.get(id);
  if (edge) return `${endsWords(data, edge)}: ${weightWords(edge.weight)}`;
  const node = data.nodeOf.get(id);
  if (!node) return '';
  const [into, from] = [edgesAt(data, id, 'into').length, edgesAt(data, id, 'from').length];
  const facts = factsOf(node).map(([name, value]) => `${name} ${value}`);
  const label = node.label === '' ? '' : ` “${node.label}”`;
  return [
    `${nameOf(node)}${label}, ${nodeWords(data, node)}`,
    ...facts,
    `${count(into, 'edge')} in, ${from} out`,
  ].join(', ');
}

/** "L6.F77@4 to logit:1234@9", groups by their names. */
export function endsWords(data: GraphData, edge: Edge): string {
  return [edge.source, edge.target]
    .map((end) => {
      const node = data.nodeOf.get(end);
      return node ? nameOf(node) : end;
    })
    .join(' to ');
}

const LISTED = 5;

/** What the pop-up says. */
export function graphCard(data: GraphData, id: string, hint: string): CardContent {
  const edge = data.edgeOf.get(id);
  if (edge)
    return {
      title: endsWords(data, edge),
      note: 'direct, attention patterns and scales of norms held',
      sides: [side('', [['adds', weightWords(edge.weight)]])],
      hint,
    };
  const node = data.nodeOf.get(id);
  if (!node) return { title: id, sides: [] };
  const listed = (end: 'into' | 'from') =>
    edgesAt(data, id, end)
      .slice(0, LISTED)
      .map((one): [string, string] => [
        endWords(data, end === 'into' ? one.source : one.target),
        weightWords(one.weight),
      ]);
  return {
    title: node.label === '' ? nameOf(node) : node.label,
    note: `${nameOf(node)}: ${nodeWords(data, node)}`,
    sides: [
      side('', factsOf(node)),
      side('from', listed('into')),
      side('to', listed('from')),
    ].filter(({ facts }) => facts.length > 0),
    hint,
  };
}

/** "L6.F77@4 ␣Tokyo ␣Japan" */
function endWords(data: GraphData, id: string): string {
  const node = data.nodeOf.get(id);
  if (!node) return id;
  return node.kind === 'group' || node.label === '' ? nameOf(node) : `${node.id} ${node.label}`;
}

function side(name: string, facts: Array<[string, string]>): CardSide {
  return { side: 'baseline', name, top: [], facts };
}

export function graphTable(data: GraphData): Array<Array<string | number | null>> {
  const label = (id: string) => data.nodeOf.get(id)?.label ?? '';
  const name = (id: string) => {
    const node = data.nodeOf.get(id);
    return node ? nameOf(node) : id;
  };
  return [
    ['source', 'source label', 'target', 'target label', 'weight', 'reached'],
    ...data.edges.map(({ source, target, weight, reached }) => [
      name(source),
      label(source),
      name(target),
      label(target),
      weight,
      reached,
    ]),
  ];
}

/** "61 of 412 nodes and 380 of 5,120 edges". */
export function shownWords(shown: GraphData, whole: GraphData): string {
  const part = (one: number, all: number, noun: string) =>
    one === all ? count(all, noun) : `${one.toLocaleString('en')} of ${count(all, noun)}`;
  return `${part(shown.nodes.length, whole.nodes.length, 'node')} and ${part(shown.edges.length, whole.edges.length, 'edge')}`;
}

/** "the nodes that have 60 % of all influence together". */
export function keptWords(part: number, what: 'nodes' | 'edges'): string {
  return `the ${what} that have ${percent(part)} of all influence together`;
}
