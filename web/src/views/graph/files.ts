/** A graph as a file: JSON that circuit-tracer's viewer reads, ours or its own, as `ue.load_graph` reads it. */
import { textOf, type Group } from '../../draw/graph/data';
import type { GraphAnswer, Opened } from './query';

type GraphNode = GraphAnswer['nodes'][number];
type Said = Record<string, unknown>;

const OWN = 'unembed';
const TYPES: Readonly<Record<GraphNode['kind'], string>> = {
  embed: 'embedding',
  latent: 'cross layer transcoder',
  error: 'mlp reconstruction error',
  mlp: 'mlp reconstruction error',
  logit: 'logit',
};
const KINDS: Readonly<Record<string, GraphNode['kind']>> = {
  embedding: 'embed',
  'cross layer transcoder': 'latent',
  'unexplored node': 'latent',
  'mlp reconstruction error': 'error',
  logit: 'logit',
};

// ------------------------------------------------------------------ written

/** What the viewer shows in its own fields, all else under "unembed", which it passes over. */
export function toViewer(graph: GraphAnswer, groups: readonly Group[]): unknown {
  const ids = new Map(graph.nodes.map((node) => [node.name, idOf(node, graph.n_layers)]));
  const id = (name: string) => ids.get(name) ?? name;
  const { nodes, edges, supernodes: _before, ...about } = graph;
  const shown = groups.flatMap(({ name, nodes: members }) => {
    const there = members.filter((one) => ids.has(one));
    return there.length > 0 ? [{ name, members: there }] : [];
  });
  return {
    metadata: {
      slug: 'unembed',
      scan: 'unembed',
      transcoder_list: [],
      prompt_tokens: graph.tokens.map(({ label }) => label),
      prompt: graph.tokens.map(({ text }) => text).join(''),
      node_threshold: graph.node_threshold,
      [OWN]: about,
    },
    qParams: {
      pinnedIds: shown.flatMap(({ members }) => members.map(id)),
      supernodes: shown.map(({ name, members }) => [name, ...members.map(id)]),
      linkType: 'both',
      clickedId: '',
      sg_pos: '',
    },
    nodes: nodes.map((node) => nodeOf(node, graph, id(node.name))),
    links: edges.map(({ source, target, weight, reached }) => ({
      source: id(source),
      target: id(target),
      weight,
      [OWN]: { reached },
    })),
  };
}

function idOf(node: GraphNode, layers: number): string {
  const { kind, layer, index, position } = node;
  if (kind === 'embed') return `E_${index}_${position}`;
  if (kind === 'logit') return `${layers + 1}_${index ?? 'sum'}_${position}`;
  return kind === 'latent' ? `${layer}_${index}_${position}` : `${layer}_error_${position}`;
}

function nodeOf(node: GraphNode, graph: GraphAnswer, name: string): unknown {
  const { kind, label, position } = node;
  const share = node.probability ?? 1;
  const top = graph.nodes.find((one) => one.kind === 'logit');
  const feature =
    kind === 'embed' ? position : kind === 'error' || kind === 'mlp' ? -1 : node.index;
  const clerp = kind === 'logit' ? `Output "${label}" (p=${share.toFixed(3)})` : textOf(node);
  return {
    node_id: name,
    feature: feature ?? -1,
    layer: kind === 'embed' ? 'E' : String(kind === 'logit' ? graph.n_layers + 1 : node.layer),
    ctx_idx: position,
    feature_type: TYPES[kind],
    token_prob: kind === 'logit' ? share : 0,
    is_target_logit: node === top,
    run_idx: 0,
    reverse_ctx_idx: 0,
    jsNodeId: name,
    clerp: kind === 'embed' ? '' : clerp,
    influence: kind === 'logit' ? null : node.reached,
    activation: kind === 'latent' ? node.value : null,
    [OWN]: node,
  };
}

// ------------------------------------------------------------------ read

/** The graph of a file's text, with the groups in it; a string is what is wrong. */
export function readViewer(text: string, file: string): (Opened & { groups: Group[] }) | string {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return 'This file is no JSON.';
  }
  try {
    return read(data, file);
  } catch (failure) {
    const why = failure instanceof Error ? failure.message : String(failure);
    return `This file is no attribution graph of Unembed’s or circuit-tracer’s: ${why}.`;
  }
}

function read(data: unknown, file: string): Opened & { groups: Group[] } {
  const metadata = part(data, 'metadata');
  const names = new Map<string, string>();
  const nodes = items(data, 'nodes').map((said) => {
    const node = OWN in said ? (said[OWN] as GraphNode) : foreignNode(said);
    names.set(String(said['node_id']), node.name);
    return node;
  });
  if (new Set(names.values()).size < nodes.length) throw new Error('two of its nodes are the same');
  const named = (id: unknown) => {
    const name = names.get(String(id));
    if (name === undefined) throw new Error(`it has no node ${String(id)}`);
    return name;
  };
  const edges = items(data, 'links').map((said) => ({
    source: named(said['source']),
    target: named(said['target']),
    weight: numberOf(said['weight']),
    reached: numberOf((said[OWN] as Said | undefined)?.['reached'] ?? 0),
  }));
  edges.sort((one, two) => Math.abs(two.weight) - Math.abs(one.weight));
  const params = isRecord(data) && isRecord(data['qParams']) ? data['qParams'] : {};
  const groups = ((params['supernodes'] ?? []) as unknown[][]).map(([name, ...members]) => ({
    name: String(name).replaceAll('>', '→'),
    nodes: members.map(named),
  }));
  const own = isRecord(metadata[OWN]);
  const about = own ? (metadata[OWN] as Partial<GraphAnswer>) : foreign(metadata, nodes);
  if (!Array.isArray(about.tokens)) throw new Error('it has no tokens');
  const graph = { ...about, nodes, edges, supernodes: groups } as GraphAnswer;
  return { file, graph, own, groups };
}

/** What can be told of a file that is not one of ours. */
function foreign(
  metadata: Said,
  nodes: readonly GraphNode[],
): Omit<GraphAnswer, 'nodes' | 'edges'> {
  const ids = new Map(
    nodes.flatMap((node) => (node.kind === 'embed' ? [[node.position, node.index]] : [])) as Array<
      [number, number]
    >,
  );
  const texts = metadata['prompt_tokens'];
  if (!Array.isArray(texts)) throw new Error('it has no “prompt_tokens”');
  const logits = nodes.filter(({ kind }) => kind === 'logit');
  const latents = nodes.filter(({ kind }) => kind === 'latent').length;
  const threshold = metadata['node_threshold'];
  return {
    objective: `logits of ${logits.length} tokens`,
    position: Math.max(...logits.map(({ position }) => position), 0),
    tokens: texts.map((text, at) => ({
      id: ids.get(at) ?? 0,
      text: String(text),
      label: String(text),
      special: false,
    })),
    n_layers: Math.max(...nodes.map(({ layer }) => (layer ?? -1) + 1), 0),
    replacement: 0,
    completeness: 0,
    node_threshold: threshold == null ? 1 : numberOf(threshold),
    edge_threshold: 1,
    n_active: latents,
    n_chosen: latents,
    unexplored: 0,
    supernodes: [],
    notes: [`read from a file of ${String(metadata['scan'])}: it has no scores and no biases`],
    cost: '',
    provenance: { scan: String(metadata['scan']) },
  };
}

function foreignNode(said: Said): GraphNode {
  const kind = KINDS[String(said['feature_type'])];
  if (!kind) throw new Error(`“${String(said['feature_type'])}” is no kind of node`);
  const at = whole(said['ctx_idx']);
  const layer = kind === 'embed' || kind === 'logit' ? null : whole(said['layer']);
  const index = kind === 'error' ? null : whole(String(said['node_id']).split('_')[1]);
  const stem = {
    embed: 'embed',
    logit: `logit:${index}`,
    error: `L${layer}.F_error`,
    mlp: '',
    latent: `L${layer}.F${index}`,
  }[kind];
  return {
    name: `${stem}@${at}`,
    kind,
    layer,
    position: at,
    index,
    label: String(said['clerp'] ?? ''),
    value: said['activation'] == null ? null : numberOf(said['activation']),
    bias: null,
    influence: 0,
    reached: said['influence'] == null ? 0 : numberOf(said['influence']),
    probability: kind === 'logit' ? numberOf(said['token_prob'] ?? 0) : null,
    words: null,
    supported: null,
  };
}

function part(data: unknown, name: string): Said {
  const found = isRecord(data) ? data[name] : undefined;
  if (!isRecord(found)) throw new Error(`“${name}” is missing`);
  return found;
}

function items(data: unknown, name: string): Said[] {
  const found = isRecord(data) ? data[name] : undefined;
  if (!Array.isArray(found) || !found.every(isRecord)) throw new Error(`“${name}” is no list`);
  return found;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw new Error(`${JSON.stringify(value)} is no number`);
  return value;
}

function whole(value: unknown): number {
  const number = Number(value);
  if (!Number.isInteger(number)) throw new Error(`${JSON.stringify(value)} is no whole number`);
  return number;
}

function isRecord(value: unknown): value is Said {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
