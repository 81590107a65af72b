/** Names of nodes and sites: "L9.H6", "L12.N512", "L5.attn", "embed", "L5.resid_post". */

import { AT, KINDS, NUMBERS, SITE_WORDS, type NodeKind } from '../../nodes.gen';

export interface Dimensions {
  n_layers: number;
  n_heads: number;
  d_mlp: number;
  /** 0 without an encoder. */
  n_encoder_layers?: number;
  /** How many heads each layer of a part has. */
  heads?: Readonly<Record<string, readonly number[]>>;
  capabilities?: ReadonlyArray<{ name: string; available: boolean; reason?: string | null }>;
  /** Autoencoders whose latents are nodes. */
  attached?: ReadonlyArray<{ layer: number; stem: string; n_latents: number }>;
}

/** What mixes tokens in a layer: "attn", or in some layers of hybrids "mixer". */
export function mixerOf(
  layer: number,
  model: { attention_layers: readonly number[] } | null | undefined,
): 'attn' | 'mixer' {
  return !model || model.attention_layers.includes(layer) ? 'attn' : 'mixer';
}

/** Of a layer: of the decoder's, or of an encoder that reads a source. */
interface Layered {
  layer: number;
  encoder?: true;
}

export type Target =
  | ({ kind: 'head' | 'cross_head'; head: number; query?: number; key?: number } & Layered)
  | ({ kind: 'neuron'; neuron: number; query?: number } & Layered)
  | ({ kind: 'latent'; index: number; query?: number; at?: string } & Layered)
  | ({ kind: 'attn' | 'mixer' | 'cross' | 'mlp' | 'ple'; query?: number } & Layered)
  | { kind: 'embed'; query?: number }
  | ({ kind: 'site'; site: string } & Layered);

export type Kind = Target['kind'];

const FORMS = KINDS.flatMap((row) =>
  row.patterns.map((pattern) => ({ row, form: new RegExp(`^(?:${pattern})${AT}$`, 'i') })),
);

/** The row of the table for what a node is. */
export function kindOf(kind: Kind): NodeKind {
  const row = KINDS.find((one) => one.kind === kind);
  if (!row) throw new Error(`no kind of node is called ${kind}`);
  return row;
}

/** Whether an encoder has nodes of this kind, too: "E5.H2". */
export function inEncoders(kind: Kind): boolean {
  return kindOf(kind).patterns.some((pattern) => pattern.includes('(?<stack>'));
}

/** Whether a target is a whole node of the decoder: those have a drawer and a page. */
export function hasPage(target: Target): boolean {
  return target.kind !== 'site' && !('query' in target) && !isOfEncoder(target);
}

/** Whether it writes along one vector, which the weights say, and has an activation. */
export function hasVector(target: Target | null | undefined): boolean {
  return target?.kind === 'neuron' || target?.kind === 'latent';
}

/** Its positions are those of the source. */
export function isOfEncoder(target: Target): boolean {
  return 'encoder' in target;
}

/**
 * Reads a target; null where it is none, or none that the app has a place for: an entry of z, a
 * neuron of a site, an encoder as a whole. "L12D512", "l9.h6" and "L9H6" are understood.
 */
export function parseTarget(text: string): Target | null {
  const name = text.trim().replace(/^([le][0-9]+)(?=[hn])/i, '$1.');
  for (const { row, form } of FORMS) {
    const found = form.exec(name)?.groups;
    if (found) return toTarget(row, found);
  }
  return null;
}

function toTarget(row: NodeKind, found: Record<string, string | undefined>): Target | null {
  const number = (name: string) => Number(found[name]);
  const at = found.pos === undefined ? {} : { query: number('pos') };
  const encoder = found.stack?.toUpperCase() === 'E' ? { encoder: true as const } : {};
  const layer = { layer: number('layer'), ...encoder };
  if (row.kind === 'head' || row.kind === 'cross_head') {
    const key = found.key === undefined ? {} : { key: number('key') };
    return { kind: row.kind, ...layer, head: number('head'), ...at, ...key };
  }
  if (found.key !== undefined) return null;
  if (row.kind === 'embed') return { kind: 'embed', ...at };
  if (row.kind === 'neuron') return { kind: 'neuron', ...layer, neuron: number('neuron'), ...at };
  if (row.kind === 'latent') {
    const site = found.site === undefined ? {} : { at: found.site.toLowerCase() };
    return { kind: 'latent', ...layer, index: number('index'), ...site, ...at };
  }
  if (isBranch(row.kind)) return { kind: row.kind, ...layer, ...at };
  const site = found.site?.toLowerCase();
  if (found.pos !== undefined || !site || found.layer === undefined || found.neuron) return null;
  return { kind: 'site', ...layer, site: found.head ? `H${number('head')}.${site}` : site };
}

const BRANCHES = ['attn', 'mixer', 'cross', 'mlp', 'ple'] as const;

/** What a branch of a block adds as a whole. */
function isBranch(kind: string): kind is (typeof BRANCHES)[number] {
  return BRANCHES.some((branch) => branch === kind);
}

/** The one spelling of a target. */
export function formatTarget(target: Target): string {
  const at =
    'query' in target && target.query !== undefined
      ? `@${target.query}${'key' in target && target.key !== undefined ? `<${target.key}` : ''}`
      : '';
  const name = filled(rowOf(target).forms[0] ?? '', siteOf(target));
  return (isOfEncoder(target) ? name.replace(/^L/, 'E') : name) + at;
}

/** The row of a target's own form: a second autoencoder of a layer names its site. */
function rowOf(target: Target): NodeKind {
  const named = target.kind === 'latent' && target.at !== undefined;
  const row = KINDS.find((one) => one.kind === target.kind && (!named || one.sites.length > 0));
  return row ?? kindOf(target.kind);
}

function siteOf(target: Target): object {
  return target.kind === 'latent' ? { ...target, site: target.at } : target;
}

/** A form or a phrase with the target's numbers in place of what stands in braces. */
function filled(form: string, target: object): string {
  const values: Record<string, unknown> = { ...target };
  return form.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
}

/** Why the model has no such target, in a sentence; null where it has. */
export function misfit(target: Target, model: Dimensions): string | null {
  const layers = isOfEncoder(target) ? (model.n_encoder_layers ?? 0) : model.n_layers;
  if (layers === 0 && isOfEncoder(target)) return 'This model has no encoder that reads a source.';
  if (target.kind !== 'embed' && target.layer >= layers) {
    const whose = isOfEncoder(target) ? 'its encoder' : 'it';
    return `Layer ${target.layer} is not in this model: ${whose} has layers 0–${layers - 1}.`;
  }
  const whole = target.kind === 'head' || target.kind === 'cross_head';
  const head = whole ? target.head : siteHead(target);
  if (head !== null) return outOfRange(kindOf('head'), head, headsIn(target, model));
  if (target.kind === 'latent') return latentMisfit(target, model);
  if (isOfEncoder(target)) return null; // how many neurons it has, the server knows
  return target.kind === 'neuron' ? outOfRange(kindOf('neuron'), target.neuron, model.d_mlp) : null;
}

function latentMisfit(
  target: Extract<Target, { kind: 'latent' }>,
  model: Dimensions,
): string | null {
  const { layer, index, at } = target;
  const stem = formatTarget({ kind: 'latent', layer, index, ...(at ? { at } : {}) });
  const found = model.attached?.find((one) => `${one.stem}${index}` === stem);
  const where = at ? `${at} in layer ${layer}` : `layer ${layer}`;
  if (!found) return `No autoencoder of ${where} is attached: see unembed serve --sae.`;
  return outOfRange(kindOf('latent'), index, found.n_latents, where);
}

function headsIn(target: Target, model: Dimensions): number {
  if (!isOfEncoder(target)) return model.n_heads;
  return Math.max(0, ...(model.heads?.['encoder'] ?? [model.n_heads]));
}

function outOfRange(
  row: NodeKind,
  value: number,
  count: number,
  where = 'each layer',
): string | null {
  if (value < count) return null;
  const word = row.called.charAt(0).toUpperCase() + row.called.slice(1);
  return `${word} ${value} is not in this model: ${where} has ${row.plural} 0–${count - 1}.`;
}

/** The head of "L14.H7.q"; null where a target is no part of a head. */
function siteHead(target: Target): number | null {
  const found = target.kind === 'site' ? /^H(\d+)\./.exec(target.site) : null;
  return found ? Number(found[1]) : null;
}

/** Target in the model, or the sentence that says what is wrong with the text. */
export function checkTarget(
  text: string,
  model: Dimensions,
): { target: Target } | { problem: string } {
  const target = parseTarget(text);
  if (!target)
    return { problem: 'Write a node like L9.H6 (head), L12.N512 (neuron), L5.attn or L5.mlp.' };
  const problem = missing(target, model) ?? misfit(target, model);
  return problem ? { problem } : { target };
}

/** Why this model has nothing of the kind; null where it has. */
function missing(target: Target, model: Dimensions): string | null {
  const name = target.kind === 'site' ? target.site : kindOf(target.kind).plural;
  const found = model.capabilities?.find((capability) => capability.name === name);
  if (!found || found.available) return null;
  return `This model has no ${name}: ${found.reason ?? 'they were not understood'}.`;
}

/** What a node is, in words. */
export function describeTarget(target: Target): string {
  const words = targetWords(target);
  return isOfEncoder(target) ? `${words} of the encoder` : words;
}

function targetWords(target: Target): string {
  if (target.kind !== 'site') return filled(rowOf(target).words, siteOf(target));
  const [head, site = head] = target.site.split('.');
  const row = KINDS.find(
    (one) => one.kind === 'site' && (one.number === 'head') === (siteHead(target) !== null),
  );
  const words = SITE_WORDS[site as keyof typeof SITE_WORDS] ?? site;
  return filled(row?.words ?? '', { ...target, site: words, head: siteHead(target) });
}

// ------------------------------------------------------------------ nodes and links of the flow graph

/** "L14.attn_in", "L14.H7.value@3", "L14.z448", "L14.N1981.key", "L14.heads.rest". */
const FLOW_NODE = new RegExp(
  `^L(${NUMBERS.layer})\\.(?:(resid_pre|resid_mid|resid_post|norm|attn_in|attn_out|cross_in|cross_out|cross_bias|resid_mid_cross|mixer_in|mixer_out|ple_in|ple_out|attn_bias|qkv|mlp_in|` +
    `mlp_in_bias|mlp_bias|mlp_out|z|z\\.rest|heads\\.rest|cross_heads\\.rest|neurons\\.rest)` +
    `|([HX])(${NUMBERS.head})(?:\\.(query|rest|(?:key|value)@[0-9]{1,7}))?` +
    `|z(${NUMBERS.entry})|N(${NUMBERS.neuron})(\\.key)?` +
    `|(?:[a-z_]+\\.)?F(?:${NUMBERS.index}|(_bias|_error|\\.rest)))$`,
);

const FLOW_WORDS: Record<string, string> = {
  resid_pre: 'the residual stream before',
  norm: 'the shared norm of',
  attn_in: 'the input of attention in',
  qkv: 'queries, keys and values of',
  z: 'the heads’ results in',
  attn_bias: 'the attention’s output bias in',
  attn_out: 'what attention adds in',
  mixer_in: 'the input of the token mixer of',
  mixer_out: 'what the token mixer adds in',
  ple_in: 'what the per-layer embedding is multiplied with reads in',
  ple_out: 'what the per-layer embedding adds in',
  resid_mid: 'the residual stream after attention in',
  cross_in: 'the input of attention to the encoder in',
  cross_bias: 'the output bias of attention to the encoder in',
  cross_out: 'what attention to the encoder adds in',
  resid_mid_cross: 'the residual stream after attention to the encoder in',
  mlp_in: 'the input of the feed-forward of',
  mlp_in_bias: 'the feed-forward’s input bias in',
  mlp_bias: 'the feed-forward’s output bias in',
  mlp_out: 'what the feed-forward adds in',
  resid_post: 'the residual stream after',
  'z.rest': 'rows of W_O that are not shown in',
  'heads.rest': 'heads that are not shown in',
  'cross_heads.rest': 'heads that attend to the encoder and are not shown in',
  'neurons.rest': 'neurons that are not shown in',
};

const PIECES: Record<string, string> = {
  _bias: 'bias of an autoencoder',
  _error: 'what an autoencoder does not explain',
  '.rest': 'latents that are not shown',
};

/** The name of a node of the flow graph, or of a link ("L14.z>L14.attn_out"). */
export function isFlowName(text: string): boolean {
  const ends = text.split('>');
  return ends.length <= 2 && ends.every((end) => FLOW_NODE.test(end));
}

/** Its layer: a link's is that of where it ends. */
export function flowLayer(name: string): number | null {
  const found = FLOW_NODE.exec(name.split('>').at(-1) ?? '');
  return found ? Number(found[1]) : null;
}

/** "head 7 of layer 14: value of position 3", "link from … to …". */
export function describeFlow(name: string): string {
  const [from = '', to] = name.split('>');
  return to === undefined ? nodeWords(from) : `from ${nodeWords(from)} to ${nodeWords(to)}`;
}

function nodeWords(name: string): string {
  const found = FLOW_NODE.exec(name);
  if (!found) return name;
  const [, layer, plain, letter, number, part, row, neuron, key, piece] = found;
  const latent = parseTarget(name);
  if (latent?.kind === 'latent') return describeTarget(latent);
  if (piece) return `${PIECES[piece]} of layer ${layer}`;
  const head = letter === 'X' ? `${number} (to the encoder)` : number;
  const source = letter === 'X' ? 'source ' : '';
  if (plain) return `${FLOW_WORDS[plain] ?? plain} layer ${layer}`;
  if (row) return `entry ${row} of the heads’ results in layer ${layer}`;
  if (neuron) return `${key ? 'key of ' : ''}neuron ${neuron} of layer ${layer}`;
  if (part === undefined) return `head ${head} of layer ${layer}`;
  if (part === 'query') return `query of head ${head} of layer ${layer}`;
  if (part === 'rest') return `other positions of head ${head} of layer ${layer}`;
  const [kind, position] = part.split('@');
  return `${kind} of ${source}position ${position} in head ${head} of layer ${layer}`;
}

/** Why the model has no such node or link, in a sentence; null where it may have. */
export function flowMisfit(name: string, model: Dimensions): string | null {
  for (const end of name.split('>')) {
    const found = FLOW_NODE.exec(end);
    if (!found) return `“${name}” is no node or link of a flow graph.`;
    const layer = Number(found[1]);
    const latent = parseTarget(end);
    const [letter, head, neuron] = [found[3], found[4], found[7]];
    const target: Target = head
      ? { kind: letter === 'X' ? 'cross_head' : 'head', layer, head: Number(head) }
      : neuron
        ? { kind: 'neuron', layer, neuron: Number(neuron) }
        : latent?.kind === 'latent'
          ? latent
          : { kind: 'attn', layer };
    const problem = misfit(target, model);
    if (problem) return problem;
  }
  return null;
}
