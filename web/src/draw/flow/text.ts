/** The flow graph in words, in tables and as a file: what a pop-up says, what a reader hears. */
import type {
  Flow as Graph,
  FlowLink,
  FlowNode,
  FlowReading,
  FlowSideData,
  FlowSum,
  LinkKind,
} from './data';
import { nats, NONE, percent, probability, quantity, signed } from '../format';
import { isCross } from './rows';

/** What boxes are rated by: "␣Tokyo", or all tokens of a text. */
export function targetName({ target }: Graph): string {
  const { tokens, mode, text } = target;
  const rated = mode === 'whole' ? tokens : tokens.slice(0, 1);
  return rated.map(({ label }) => label).join('') || text;
}

/** What direct effects are on, and how one is written: the target's logit, or another objective. */
export function effectOn(graph: Graph): [name: string, write: (value: number) => string] {
  const { of_token, objective } = graph.target;
  return of_token
    ? [targetName(graph), effect]
    : [`the ${objective ?? 'objective'}`, (value) => signed(value, 2)];
}

export type Fact = [name: string, value: string];

// ------------------------------------------------------------------ nodes

const READINGS: Record<string, string> = {
  q: 'query',
  k: 'key, for later tokens',
  v: 'value, for later tokens',
  gate: 'its gate reads',
  up: 'its input map reads',
  'after rotation': 'after rotation',
  suppressed: 'takes from',
};

/** A reading's name as a person reads it. */
export function readingWords(name: string): string {
  return READINGS[name] ?? name;
}

/** What a node says about itself, a line each. */
export function nodeFacts(
  node: FlowNode,
  side: FlowSideData,
  target: string,
  said = effect,
): Fact[] {
  const own = node.readings[0];
  if (own?.norm === 0) return [['norm', '0: it writes nothing']];
  const facts: Fact[] = [];
  const put = (
    name: string,
    value: number | null | undefined,
    write: (value: number) => string,
  ) => {
    if (value !== null && value !== undefined) facts.push([name, write(value)]);
  };
  put('attention', node.attention, (value) => percent(value));
  put('attention to no token (sink)', node.sink, (value) => percent(value));
  put('activation', node.activation, quantity);
  put('= gate', node.gate, quantity);
  put('× input', node.up, quantity);
  put('norm', own?.norm, quantity);
  put('entropy', own?.entropy, (value) => `${nats(value)} nats`);
  put(shareName(node), shareOf(node, side), percent);
  put(`direct effect on ${target}`, node.attributed, said);
  return facts;
}

/** A change of a logit. */
export function effect(value: number): string {
  return `${signed(value, 2)} logit`;
}

function shareName(node: FlowNode): string {
  if (node.site) return `share of ${node.site}`;
  return MLP_KINDS.has(node.kind) || node.id.includes('.neurons.')
    ? 'share of what the feed-forward added'
    : isCross(node)
      ? 'share of what attention to the encoder added'
      : 'share of what attention added';
}

const MLP_KINDS: ReadonlySet<string> = new Set(['neuron', 'mlp_bias', 'mlp_in_bias']);

/** Its part of what its branch added; what it passes on says so. */
export function shareOf(node: FlowNode, side: FlowSideData): number | null {
  const out = side.from.get(node.id)?.find((link) => isNumber(link.share) && !isPart(link, side));
  const into = node.site ? side.into.get(node.id)?.find((link) => isPart(link, side)) : undefined;
  return (out ?? into)?.share ?? null;
}

/** From the stream to one of the parts that latents make of it. */
function isPart(link: FlowLink, side: FlowSideData): boolean {
  return isNumber(link.share) && Boolean(side.nodeOf.get(link.target)?.site);
}

// ------------------------------------------------------------------ links

const LINKS: Record<LinkKind, string> = {
  norm: 'through the norm',
  residual_attn: 'past the attention, unchanged',
  residual_mlp: 'past the feed-forward, unchanged',
  skipped: 'past the layers between, which are not drawn',
  branch: 'added to the residual stream',
  qkv: 'projected to queries, keys and values',
  query: 'the query of one head',
  attention: 'what the head attends to',
  memory: 'what is fetched: attention times value',
  head: 'what one head writes',
  z_row_key: 'one entry of the heads’ results',
  z_row: 'that entry times its row of W_O',
  neuron_key: 'what the neuron reads',
  activation: 'how active the neuron is',
  neuron: 'activation times value vector',
  latent: 'activation times what the latent writes',
  bias: 'a bias',
  rest: 'what is not shown one by one',
  mixer: 'a token mixer whose heads are not seen',
  ple: 'a per-layer embedding',
  experts: 'a mixture of experts, which has no single neurons',
};

export function linkWords(link: FlowLink): string {
  return LINKS[link.kind];
}

/** "head 7 of layer 14 → all heads of layer 14". */
export function linkEnds(link: FlowLink, side: FlowSideData): string {
  return [link.source, link.target].map((end) => shortTitle(side.nodeOf.get(end), end)).join(' → ');
}

/** A title up to its colon: what it is, without what it does. */
function shortTitle(node: FlowNode | undefined, id: string): string {
  return node ? (node.title.split(':')[0] ?? id) : id;
}

export function linkFacts(link: FlowLink, target: string, said = effect): Fact[] {
  const facts: Fact[] = [];
  const put = (
    name: string,
    value: number | null | undefined,
    write: (value: number) => string,
  ) => {
    if (value !== null && value !== undefined) facts.push([name, write(value)]);
  };
  put('attention', link.attention, percent);
  put('activation', link.activation, quantity);
  put('norm', link.norm, quantity);
  if (link.colour === 'entropy')
    put('entropy', link.colour_value, (value) => `${nats(value)} nats`);
  put('share of what is added', link.share, percent);
  put(`direct effect on ${target}`, link.attributed, said);
  put('width', link.width, quantity);
  return facts;
}

function isNumber(value: number | null | undefined): value is number {
  return value !== null && value !== undefined;
}

// ------------------------------------------------------------------ what is shown of each layer

export interface Completeness {
  layer: number;
  attention: string;
  /** Only of decoders that attend to an encoder. */
  cross?: string;
  feedForward: string;
  /** Of each autoencoder that divides the stream once more. */
  streams: string[];
}

/** How much of what each layer added is on the screen, in words. */
export function completeness(side: FlowSideData): Completeness[] {
  const layers = [...new Set(side.sums.map((sum) => sum.layer))];
  return layers.map((layer) => {
    const of = (branch: FlowSum['branch']) =>
      side.sums.find((sum) => sum.layer === layer && sum.branch === branch);
    return {
      layer,
      attention: branchWords(of('attn'), counted(side, layer)),
      ...(of('cross') ? { cross: branchWords(of('cross'), counted(side, layer)) } : {}),
      feedForward: branchWords(of('mlp'), counted(side, layer)),
      streams: side.sums
        .filter((sum) => sum.layer === layer && sum.branch === 'stream')
        .map((sum) => branchWords(sum, counted(side, layer))),
    };
  });
}

interface Counted {
  heads: number;
  crossHeads: number;
  rows: number;
  neurons: number;
}

function counted(side: FlowSideData, layer: number): Counted {
  const of = (kind: FlowNode['kind']) =>
    side.nodes.filter((node) => node.layer === layer && node.kind === kind);
  const count = (kind: FlowNode['kind']) => of(kind).length;
  const crossHeads = of('head').filter(isCross).length;
  return {
    heads: count('head') - crossHeads,
    crossHeads,
    rows: count('z_row'),
    neurons: count('neuron'),
  };
}

const BRANCHES: Record<FlowSum['branch'], string> = {
  attn: 'attention',
  cross: 'attention to the encoder',
  mlp: 'the feed-forward',
  stream: 'the stream',
};

/** Of what latents are shown of: how much, and what is left of it. */
function latentWords(sum: FlowSum, heads: number): string {
  const { site, latents, active, shown, bias, rest, error } = sum;
  const parts = [
    ...(isNumber(sum.heads) ? [`${many(heads, 'head')} ${percent(sum.heads)}`] : []),
    `${latents} of ${active} active latents ${percent(shown ?? 0)}`,
    ...(Math.abs(bias) > 0.0005 ? [`bias ${percent(bias)}`] : []),
    ...(isNumber(rest) && Math.abs(rest) > 0.0005 ? [`other latents ${percent(rest)}`] : []),
    `not explained ${percent(error ?? 0)}`,
  ];
  return `of ${site}: ${parts.join(', ')}`;
}

function branchWords(sum: FlowSum | undefined, shown: Counted): string {
  if (!sum) return NONE;
  if (sum.site) return latentWords(sum, shown.heads);
  const branch = BRANCHES[sum.branch];
  if (sum.reason) return `${branch} is not taken apart: ${sum.reason}`;
  const parts: string[] = [];
  if (sum.branch !== 'mlp') {
    const heads = sum.branch === 'attn' ? shown.heads : shown.crossHeads;
    if (isNumber(sum.heads)) parts.push(`${many(heads, 'head')} ${percent(sum.heads)}`);
    if (isNumber(sum.shown)) parts.push(`${many(shown.rows, 'row')} of W_O ${percent(sum.shown)}`);
  } else if (isNumber(sum.shown))
    parts.push(`${many(shown.neurons, 'neuron')} ${percent(sum.shown)}`);
  if (Math.abs(sum.bias) > 0.0005) parts.push(`bias ${percent(sum.bias)}`);
  return `of what ${branch} added: ${parts.join(', ')}`;
}

/** What a reader must know, but for what is said of the layers already. */
export function notesOf(side: FlowSideData): string[] {
  return side.notes.filter(
    (note) => !side.sums.some(({ reason }) => reason && note.includes(reason)),
  );
}

function many(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

// ------------------------------------------------------------------ sentences

/** "␣Tokyo 0.62, rank 1", or a dash. */
export function targetWords(reading: FlowReading | undefined): string {
  const score = reading?.target;
  return score
    ? `${probability(score.probability)}, rank ${score.rank.toLocaleString('en')}`
    : NONE;
}

/** Under the heading of a saved picture: model, layers, position, target, which run. */
export function figureNote(
  graph: Graph,
  model: string,
  mode: 'baseline' | 'edited' | 'difference',
): string {
  const { layers, position, tokens, edited } = graph;
  const run = {
    baseline: 'without the edits',
    edited: 'with the edits',
    difference: 'edited, outlines: baseline',
  };
  return [
    model,
    `layer${layers.length === 1 ? '' : 's'} ${layers.join(', ')}`,
    `at ${tokens[position]?.label ?? ''} (${position})`,
    `target ${targetName(graph)}`,
    ...(edited ? [run[mode]] : []),
  ]
    .filter(Boolean)
    .join(' · ');
}

// ------------------------------------------------------------------ tables

type Line = Array<string | number | null>;

const COLUMNS = [
  'side',
  'what',
  'id',
  'kind',
  'layer',
  'title',
  'tokens',
  'target_probability',
  'target_rank',
  'norm',
  'entropy_nats',
  'activation',
  'attention',
  'share',
  'direct_effect',
  'width',
];

/** One line per node and link and side, all numbers in full; what there is not is left empty. */
export function flowTable(graph: Graph): Line[] {
  const effects = graph.target.of_token ? 'direct_effect_logit' : 'direct_effect';
  const lines: Line[] = [COLUMNS.map((name) => (name === 'direct_effect' ? effects : name))];
  for (const name of ['baseline', 'edited'] as const) {
    const side = graph[name];
    if (!side) continue;
    for (const node of side.nodes) lines.push([name, 'node', ...nodeLine(node, side)]);
    for (const link of side.links) lines.push([name, 'link', ...linkLine(link, side)]);
  }
  return lines;
}

function nodeLine(node: FlowNode, side: FlowSideData): Line {
  const own = node.readings[0];
  return [
    node.id,
    node.kind,
    node.layer,
    node.title,
    (own?.tokens ?? []).map(({ token }) => token.label).join(' '),
    own?.target?.probability ?? null,
    own?.target?.rank ?? null,
    own?.norm ?? null,
    own?.entropy ?? null,
    node.activation ?? null,
    node.attention ?? null,
    shareOf(node, side),
    node.attributed ?? null,
    null,
  ];
}

function linkLine(link: FlowLink, side: FlowSideData): Line {
  return [
    link.id,
    link.kind,
    side.nodeOf.get(link.target)?.layer ?? null,
    linkEnds(link, side),
    '',
    null,
    null,
    link.norm ?? null,
    link.colour === 'entropy' ? (link.colour_value ?? null) : null,
    link.activation ?? null,
    link.attention ?? null,
    link.share ?? null,
    link.attributed ?? null,
    link.width,
  ];
}

// ------------------------------------------------------------------ attributed against measured

/** How what really happened compares with what the graph says, in a word. */
export function agreement(attributed: number, measured: number): string {
  if (Math.abs(attributed) < 0.005 && Math.abs(measured) < 0.005) return 'both nothing';
  if (Math.abs(attributed) < 0.005) return 'not attributed';
  const ratio = measured / attributed;
  if (ratio < -0.05) return 'the other way';
  if (ratio < 0.05) return 'nothing of it';
  if (ratio > 20) return 'far more';
  return `× ${ratio < 9.95 ? ratio.toFixed(2) : ratio.toFixed(0)}`;
}
