/** An attribution graph as it is written, and what is shown of it: pruned, and with nodes taken together. */
import type { components } from '../../api.gen';

type Schemas = components['schemas'];
type Written = Schemas['AttributionGraph'];
export type GraphJson = Pick<
  Written,
  | 'objective'
  | 'position'
  | 'tokens'
  | 'n_layers'
  | 'nodes'
  | 'edges'
  | 'node_threshold'
  | 'edge_threshold'
  | 'supernodes'
>;
export type GraphToken = Written['tokens'][number];

/** Of the answer, or several of its nodes under one name. */
export interface Node {
  /** "L6.F77@4"; of several their name after "group:". */
  id: string;
  kind: Schemas['GraphNode']['kind'] | 'group';
  /** −1 of tokens, one more than the last of what is explained. */
  layer: number;
  position: number;
  label: string;
  value: number | null;
  bias: number | null;
  influence: number;
  reached: number;
  probability: number | null;
  /** Of the largest influence of a latent, its root, at most 1: how large and bright it is. */
  share: number;
  /** Names of what is taken together; empty of one node. */
  members: readonly string[];
}

export interface Edge {
  /** "embed@2>L6.F77@4" */
  id: string;
  source: string;
  target: string;
  weight: number;
  reached: number;
}

export interface Group {
  name: string;
  nodes: readonly string[];
}

export interface GraphData {
  tokens: readonly GraphToken[];
  layers: number;
  nodes: readonly Node[];
  nodeOf: ReadonlyMap<string, Node>;
  /** Largest first. */
  edges: readonly Edge[];
  edgeOf: ReadonlyMap<string, Edge>;
  into: ReadonlyMap<string, readonly Edge[]>;
  from: ReadonlyMap<string, readonly Edge[]>;
  /** The size above which edges of the whole graph look alike: widths stay where edges go. */
  largest: number;
}

/** Of all edges, the largest, which would leave no width to the others: a first token's are huge. */
const ALIKE = 0.005;

export function graphData(json: GraphJson): GraphData {
  const most = mostOf(json.nodes);
  const nodes = json.nodes.map((node): Node => ({
    id: node.name,
    kind: node.kind,
    layer: layerOf(node, json.n_layers),
    position: node.position,
    label: textOf(node),
    value: node.value ?? null,
    bias: node.bias ?? null,
    influence: node.influence,
    reached: node.reached,
    probability: node.probability ?? null,
    share: most > 0 ? Math.min(1, Math.sqrt(node.influence / most)) : 0,
    members: [],
  }));
  const edges = json.edges.map((edge) => ({ ...edge, id: edgeId(edge.source, edge.target) }));
  const sizes = edges.map(({ weight }) => Math.abs(weight)).toSorted((one, two) => two - one);
  const largest = Math.max(sizes[Math.floor(ALIKE * sizes.length)] ?? 0, 1e-12);
  return made({ tokens: json.tokens, layers: json.n_layers, largest }, nodes, edges);
}

/** What labels that are kept say of a node, with what that is worth; else what it raises, or its token. */
export function textOf({ label, words, supported }: Schemas['GraphNode']): string {
  if (words == null) return label ?? '';
  return supported === false ? `${words} (not supported)` : words;
}

/** Of a latent; of all where there is none. */
function mostOf(nodes: GraphJson['nodes']): number {
  const latents = nodes.filter(({ kind }) => kind === 'latent');
  const among = latents.length > 0 ? latents : nodes;
  return among.reduce((largest, { influence }) => Math.max(largest, influence), 0);
}

function layerOf(node: Schemas['GraphNode'], layers: number): number {
  if (node.kind === 'embed') return -1;
  return node.kind === 'logit' ? layers : (node.layer ?? 0);
}

type About = Pick<GraphData, 'tokens' | 'layers' | 'largest'>;

function made(
  { tokens, layers, largest }: About,
  nodes: readonly Node[],
  edges: readonly Edge[],
): GraphData {
  return {
    tokens,
    layers,
    largest,
    nodes,
    edges,
    nodeOf: new Map(nodes.map((node) => [node.id, node])),
    edgeOf: new Map(edges.map((edge) => [edge.id, edge])),
    into: sorted(edges, ({ target }) => target),
    from: sorted(edges, ({ source }) => source),
  };
}

/** Lists by what they have in common, in their order. */
export function sorted<One>(
  list: readonly One[],
  key: (one: One) => string,
): ReadonlyMap<string, One[]> {
  const found = new Map<string, One[]>();
  for (const one of list) {
    const name = key(one);
    const same = found.get(name);
    if (same) same.push(one);
    else found.set(name, [one]);
  }
  return found;
}

export function edgeId(source: string, target: string): string {
  return `${source}>${target}`;
}

const NO_EDGES: readonly Edge[] = [];

/** Of a node: what goes into it, or out of it; largest first. */
export function edgesAt(data: GraphData, id: string, end: 'into' | 'from'): readonly Edge[] {
  return data[end].get(id) ?? NO_EDGES;
}

// ------------------------------------------------------------------ fewer

/** Parts of all influence: which nodes are shown, and which edges between them; null: all that there are. */
export interface Kept {
  nodes: number | null;
  edges: number | null;
}

/** As `AttributionGraph.pruned` does it: tokens and what is explained stay. */
export function pruned(data: GraphData, kept: Kept): GraphData {
  const [most, mostEdges] = [kept.nodes ?? Infinity, kept.edges ?? Infinity];
  const nodes = data.nodes.filter(({ kind, reached }) => isFixed(kind) || reached <= most);
  const names = new Set(nodes.map(({ id }) => id));
  const edges = data.edges.filter(
    ({ source, target, reached }) => reached <= mostEdges && names.has(source) && names.has(target),
  );
  return made(data, nodes, edges);
}

export function isFixed(kind: Node['kind']): boolean {
  return kind === 'embed' || kind === 'logit';
}

// ------------------------------------------------------------------ together

export function groupId(name: string): string {
  return `group:${name}`;
}

/** Edges between groups, and between them and other nodes, as `AttributionGraph.group_edges` sums them. */
export function grouped(data: GraphData, groups: readonly Group[]): GraphData {
  const shown = groups.flatMap((group) => {
    const members = group.nodes.filter((id) => data.nodeOf.has(id));
    return members.length > 0 ? [{ id: groupId(group.name), name: group.name, members }] : [];
  });
  if (shown.length === 0) return data;
  const own = new Map(shown.flatMap(({ id, members }) => members.map((one) => [one, id] as const)));
  const nodes = [
    ...data.nodes.filter(({ id }) => !own.has(id)),
    ...shown.map(({ id, name, members }) => together(data, id, name, members)),
  ];
  return made(data, nodes, summed(data.edges, own));
}

/** It stands where the one of its nodes stands that has most influence. */
function together(data: GraphData, id: string, name: string, members: readonly string[]): Node {
  const nodes = members.flatMap((one) => data.nodeOf.get(one) ?? []);
  const first = nodes.reduce((best, node) => (node.influence > best.influence ? node : best));
  return {
    ...first,
    id,
    kind: 'group',
    label: name,
    value: null,
    bias: null,
    probability: null,
    members,
  };
}

function summed(edges: readonly Edge[], own: ReadonlyMap<string, string>): Edge[] {
  const sums = new Map<string, Edge>();
  for (const edge of edges) {
    const [source, target] = [
      own.get(edge.source) ?? edge.source,
      own.get(edge.target) ?? edge.target,
    ];
    if (source === target) continue;
    const id = edgeId(source, target);
    const found = sums.get(id);
    sums.set(id, {
      id,
      source,
      target,
      weight: edge.weight + (found?.weight ?? 0),
      reached: Math.min(edge.reached, found?.reached ?? edge.reached),
    });
  }
  return [...sums.values()].toSorted((one, two) => Math.abs(two.weight) - Math.abs(one.weight));
}
