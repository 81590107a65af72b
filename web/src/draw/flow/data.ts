/** The flow graph as the server writes it: tokens in place of ids, links found from either end. Knows no React. */
import type { components } from '../../api.gen';
import { probability } from '../format';

type Schemas = components['schemas'];
export type TokenText = Schemas['TokenText'];
export type FlowResponse = Schemas['FlowResponse'];
export type FlowLink = Schemas['FlowLink'];
export type FlowSum = Schemas['FlowSum'];
export type FlowTarget = Schemas['FlowTarget'];
export type FlowEffects = Schemas['FlowEffects'];
export type FlowCut = Schemas['FlowCut'];
export type NodeKind = Schemas['FlowNode']['kind'];
export type LinkKind = FlowLink['kind'];

export interface FlowToken {
  token: TokenText;
  probability: number;
}

/** A vector read as a prediction. */
export type FlowReading = Omit<Schemas['FlowReading'], 'tokens'> & { tokens: FlowToken[] };

export type FlowNode = Omit<Schemas['FlowNode'], 'readings' | 'token'> & {
  readings: FlowReading[];
  /** Of the prompt, where a key or value was made. */
  token: TokenText | null;
};

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

const UNKNOWN = '⟨?⟩';

export function decodeFlow(answer: FlowResponse): Flow {
  const known = new Map(answer.vocabulary.map((token) => [token.id, token]));
  const word = (id: number): TokenText =>
    known.get(id) ?? { id, text: '', label: UNKNOWN, special: false };
  return {
    tokens: answer.tokens,
    layers: answer.layers,
    position: answer.position,
    target: answer.target,
    baseline: decodeSide(answer.baseline, word),
    edited: answer.edited ? decodeSide(answer.edited, word) : null,
    effects: answer.effects ?? null,
  };
}

type Word = (id: number) => TokenText;

function decodeSide(side: Schemas['FlowSide'], word: Word): FlowSideData {
  const nodes = side.nodes.map((node) => ({
    ...node,
    readings: node.readings.map((reading) => decodeReading(reading, word)),
    token: node.token === null || node.token === undefined ? null : word(node.token),
  }));
  const { links, sums, notes } = side;
  return sideOf({ output: decodeReading(side.output, word), nodes, links, sums, notes });
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

function decodeReading(reading: Schemas['FlowReading'], word: Word): FlowReading {
  return {
    ...reading,
    tokens: reading.tokens.map((one) => ({ token: word(one.token), probability: one.probability })),
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
