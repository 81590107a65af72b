/** The flow graph as it is written, with links found from either end. Knows no React. */
import type { components } from '../../api.gen';
import { probability } from '../format';

type Schemas = components['schemas'];
export type TokenText = Schemas['Token'];
export type FlowComparison = Schemas['FlowComparison'];
export type FlowToken = Schemas['FlowToken'];
export type FlowReading = Schemas['FlowReading'];
export type FlowNode = Schemas['FlowNode'];
export type FlowLink = Schemas['FlowLink'];
export type FlowSum = Schemas['FlowSum'];
export type FlowTarget = Schemas['FlowTarget'];
export type FlowCut = Schemas['FlowCut'];
export type TargetScore = Schemas['TargetScore'];
export type NodeKind = FlowNode['kind'];
export type LinkKind = FlowLink['kind'];

/** What one edit, or all of them together (`edit` is null), really changes. */
export type FlowEffect = Schemas['CutEffect'] & { edit: number | null };

export interface FlowEffects {
  /** Null where the target is no token. */
  baseline: TargetScore | null;
  /** Of what is explained, in the baseline. */
  value: number;
  edits: FlowEffect[];
  together: FlowEffect | null;
  /** Edits in force that were not measured alone. */
  leftOut: number;
}

/** One run, drawn. */
export interface FlowSideData {
  output: FlowReading;
  nodes: FlowNode[];
  links: FlowLink[];
  sums: FlowSum[];
  notes: string[];
  nodeOf: ReadonlyMap<string, FlowNode>;
  linkOf: ReadonlyMap<string, FlowLink>;
  /** Links that end in a node, in the order of the answer. */
  into: ReadonlyMap<string, FlowLink[]>;
  /** Links that start in a node. */
  from: ReadonlyMap<string, FlowLink[]>;
}

export interface Flow {
  tokens: TokenText[];
  layers: number[];
  position: number;
  target: FlowTarget;
  baseline: FlowSideData;
  edited: FlowSideData | null;
  effects: FlowEffects | null;
}

export function decodeFlow(answer: FlowComparison): Flow {
  const { tokens, layers, position, target } = answer.baseline;
  return {
    tokens,
    layers,
    position,
    target,
    baseline: sideOf(answer.baseline),
    edited: answer.edited ? sideOf(answer.edited) : null,
    effects: effectsOf(answer),
  };
}

function effectsOf({ effects, measured, left_out }: FlowComparison): FlowEffects | null {
  if (!effects) return null;
  const { baseline, value, cuts, together } = effects;
  return {
    baseline,
    value,
    edits: cuts.map((cut, at) => ({ ...cut, edit: measured?.[at] ?? null })),
    together: together && { ...together, edit: null },
    leftOut: left_out ?? 0,
  };
}

/** With what is found by its name and along its ends. */
export function sideOf(
  side: Pick<FlowSideData, 'output' | 'nodes' | 'links' | 'sums' | 'notes'>,
): FlowSideData {
  return {
    ...side,
    nodeOf: new Map(side.nodes.map((node) => [node.id, node])),
    linkOf: new Map(side.links.map((link) => [link.id, link])),
    into: gathered(side.links, (link) => link.target),
    from: gathered(side.links, (link) => link.source),
  };
}

function gathered(
  links: readonly FlowLink[],
  end: (link: FlowLink) => string,
): Map<string, FlowLink[]> {
  const found = new Map<string, FlowLink[]>();
  for (const link of links) {
    const list = found.get(end(link));
    if (list) list.push(link);
    else found.set(end(link), [link]);
  }
  return found;
}

// ------------------------------------------------------------------ along the links

/** A node or link with everything that leads to it and everything that it leads to. */
export function pathsOf(side: FlowSideData, id: string): Set<string> {
  const link = side.linkOf.get(id);
  if (!link && !side.nodeOf.has(id)) return new Set();
  const found = new Set([id]);
  walk(side.into, link ? link.source : id, (one) => one.source, found);
  walk(side.from, link ? link.target : id, (one) => one.target, found);
  return found;
}

function walk(
  links: ReadonlyMap<string, FlowLink[]>,
  start: string,
  next: (link: FlowLink) => string,
  found: Set<string>,
): void {
  const open = [start];
  const seen = new Set(open);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    found.add(id);
    for (const link of links.get(id) ?? []) {
      found.add(link.id);
      if (!seen.has(next(link))) open.push(next(link));
      seen.add(next(link));
    }
  }
}

/** A node with its links and their other ends; a link with its two ends. */
export function neighboursOf(side: FlowSideData, id: string): Set<string> {
  const link = side.linkOf.get(id);
  if (link) return new Set([id, link.source, link.target]);
  const found = new Set([id]);
  for (const one of side.into.get(id) ?? []) found.add(one.id).add(one.source);
  for (const one of side.from.get(id) ?? []) found.add(one.id).add(one.target);
  return found;
}

/** Kinds of links that can be hidden by themselves; the others go with their nodes. */
const OWN_LINK_KINDS: ReadonlySet<string> = new Set<LinkKind>([
  'residual_attn',
  'residual_mlp',
  'skipped',
  'bias',
  'experts',
]);

export function isShown(
  side: FlowSideData,
  item: FlowNode | FlowLink,
  hidden: ReadonlySet<string>,
): boolean {
  if (!('source' in item)) return !hidden.has(item.kind);
  if (item.colour === 'hidden') return false;
  if (OWN_LINK_KINDS.has(item.kind) && hidden.has(item.kind)) return false;
  return [item.source, item.target].every((end) => {
    const node = side.nodeOf.get(end);
    return node !== undefined && !hidden.has(node.kind);
  });
}

/** Whether vectors are read as predictions: not in a model whose head gives labels. */
export function hasReadings(graph: Flow): boolean {
  return graph.baseline.output.entropy !== null;
}

/** True of what writes nothing, as a head that is cut: a reading of it would be of no meaning. */
export function isZero(node: FlowNode): boolean {
  return node.readings[0]?.norm === 0;
}

// ------------------------------------------------------------------ in words

/** What assistive technology reads: "head 7 of layer 14: what it writes. ␣Tokyo, probability of target 0.62, rank 1". */
export function nodeSentence(node: FlowNode): string {
  if (isZero(node)) return `${node.title}. Nothing: its vector is zero`;
  const parts = node.label === '' ? [] : [node.label];
  const score = node.readings[0]?.target;
  if (score)
    parts.push(
      `probability of target ${probability(score.probability)}`,
      `rank ${score.rank.toLocaleString('en')}`,
    );
  return [node.title, parts.join(', ')].filter(Boolean).join('. ');
}
