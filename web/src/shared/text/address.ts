/** Names of nodes and sites: "L9.H6", "L12.N512", "L5.attn", "embed", "L5.resid_post". */

export interface Dimensions {
  n_layers: number;
  n_heads: number;
  d_mlp: number;
  capabilities?: ReadonlyArray<{ name: string; available: boolean; reason?: string | null }>;
}

export const RESIDUAL_SITES = ['resid_pre', 'resid_mid', 'resid_post'] as const;
export type ResidualSite = (typeof RESIDUAL_SITES)[number];

export type Target =
  | { kind: 'head'; layer: number; head: number; query?: number; key?: number }
  | { kind: 'neuron'; layer: number; neuron: number; query?: number }
  | { kind: 'attn' | 'mlp'; layer: number; query?: number }
  | { kind: 'embed'; query?: number }
  | { kind: 'site'; layer: number; site: string };

export type Kind = Target['kind'];

const PATTERN =
  /^(?:(embed)|L(\d{1,4})\.?(?:H(\d{1,5})(?!\.|\d)|[ND](\d{1,7})|(attn|mlp)|((?:H\d{1,5}\.)?(?:[qkvz]|scores|pattern)|[a-z]+_[a-z]+)))(?:@(-?\d{1,7})(?:<(-?\d{1,7}))?)?$/i;

/** Reads a target; null where it is none. "L12D512" and "l9.h6" are understood. */
export function parseTarget(text: string): Target | null {
  const found = PATTERN.exec(text.trim());
  if (!found) return null;
  const [, embed, layerText, head, neuron, whole, site, query, key] = found;
  const at = query === undefined ? {} : { query: Number(query) };
  if (key !== undefined && head === undefined) return null;
  if (embed) return { kind: 'embed', ...at };
  const layer = Number(layerText);
  if (head !== undefined) {
    return {
      kind: 'head',
      layer,
      head: Number(head),
      ...at,
      ...(key === undefined ? {} : { key: Number(key) }),
    };
  }
  if (neuron !== undefined) return { kind: 'neuron', layer, neuron: Number(neuron), ...at };
  if (whole) return { kind: whole.toLowerCase() as 'attn' | 'mlp', layer, ...at };
  return query === undefined && site ? { kind: 'site', layer, site: siteName(site) } : null;
}

function siteName(site: string): string {
  return site.toLowerCase().replace(/^h/, 'H');
}

/** The one spelling of a target. */
export function formatTarget(target: Target): string {
  const at =
    'query' in target && target.query !== undefined
      ? `@${target.query}${'key' in target && target.key !== undefined ? `<${target.key}` : ''}`
      : '';
  switch (target.kind) {
    case 'embed':
      return `embed${at}`;
    case 'head':
      return `L${target.layer}.H${target.head}${at}`;
    case 'neuron':
      return `L${target.layer}.N${target.neuron}${at}`;
    case 'site':
      return `L${target.layer}.${target.site}`;
    default:
      return `L${target.layer}.${target.kind}${at}`;
  }
}

/** Why the model has no such target, in a sentence; null where it has. */
export function misfit(target: Target, model: Dimensions): string | null {
  if (target.kind !== 'embed' && target.layer >= model.n_layers) {
    return `Layer ${target.layer} is not in this model: it has layers 0–${model.n_layers - 1}.`;
  }
  const head = target.kind === 'head' ? target.head : siteHead(target);
  if (head !== null && head >= model.n_heads) {
    return `Head ${head} is not in this model: each layer has heads 0–${model.n_heads - 1}.`;
  }
  if (target.kind === 'neuron' && target.neuron >= model.d_mlp) {
    return `Neuron ${target.neuron} is not in this model: each layer has neurons 0–${model.d_mlp - 1}.`;
  }
  return null;
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
  const kinds: Partial<Record<Target['kind'], string>> = { head: 'heads', neuron: 'neurons' };
  const name = target.kind === 'site' ? target.site : kinds[target.kind];
  const found = model.capabilities?.find((capability) => capability.name === name);
  if (!found || found.available) return null;
  return `This model has no ${name}: ${found.reason ?? 'they were not understood'}.`;
}

/** What a node is, in words. */
export function describeTarget(target: Target): string {
  switch (target.kind) {
    case 'embed':
      return 'token embedding';
    case 'head':
      return `attention head ${target.head} of layer ${target.layer}`;
    case 'neuron':
      return `feed-forward neuron ${target.neuron} of layer ${target.layer}`;
    case 'attn':
      return `attention of layer ${target.layer}`;
    case 'mlp':
      return `feed-forward of layer ${target.layer}`;
    case 'site':
      return siteHead(target) === null
        ? `${siteWords(target.site)}, layer ${target.layer}`
        : `${siteWords(target.site.split('.')[1] ?? '')} of head ${siteHead(target)}, layer ${target.layer}`;
  }
}

function siteWords(site: string): string {
  const words: Record<string, string> = {
    resid_pre: 'residual stream before attention',
    resid_mid: 'residual stream after attention',
    resid_post: 'residual stream after feed-forward',
    attn_in: 'input of attention',
    mlp_in: 'input of the feed-forward',
    z: 'results of all heads',
    q: 'query',
    k: 'key',
    v: 'value',
  };
  return words[site] ?? site;
}

/** Parallel blocks have no state after attention: the stream with attention's write alone stands for it. */
export const PARALLEL_MID = 'resid_pre+attn_out';

/** A row of the lens: the embedding, or the residual stream at a site of a layer. */
export interface Row {
  layer: number;
  site: ResidualSite | typeof PARALLEL_MID;
}

/** "L5.resid_mid" -> {5, resid_mid}; "embed" is what layer 0 reads. */
export function parseRow(name: string): Row | null {
  if (name === 'embed') return { layer: 0, site: 'resid_pre' };
  const found = /^L(\d{1,4})\.(resid_pre(?:\+attn_out)?|resid_mid|resid_post)$/.exec(name);
  return found ? { layer: Number(found[1]), site: found[2] as Row['site'] } : null;
}

/** A row between attention and feed-forward. */
export function isSubblock(row: Row): boolean {
  return row.site === 'resid_mid' || row.site === PARALLEL_MID;
}

/** Short label of a lens row: "embed", "L17", "L17 attn". */
export function rowLabel(name: string): string {
  const row = parseRow(name);
  if (!row || name === 'embed') return name;
  if (row.site === 'resid_post') return `L${row.layer}`;
  return `L${row.layer} ${isSubblock(row) ? 'attn' : 'pre'}`;
}

/** The node whose write leads to a row: what Enter inspects and x ablates there. */
export function writerOf(row: Row): string {
  if (isSubblock(row)) return `L${row.layer}.attn`;
  if (row.site === 'resid_post') return `L${row.layer}.mlp`;
  return row.layer === 0 ? 'embed' : `L${row.layer - 1}.mlp`;
}

// ------------------------------------------------------------------ nodes and links of the flow graph

/** "L14.attn_in", "L14.H7.value@3", "L14.z448", "L14.N1981.key", "L14.heads.rest". */
const FLOW_NODE =
  /^L(\d{1,4})\.(?:(resid_pre|resid_mid|resid_post|norm|attn_in|attn_out|attn_bias|qkv|mlp_in|mlp_in_bias|mlp_bias|mlp_out|z|z\.rest|heads\.rest|neurons\.rest)|H(\d{1,5})(?:\.(query|rest|(?:key|value)@\d{1,7}))?|z(\d{1,7})|N(\d{1,7})(\.key)?)$/;

const FLOW_WORDS: Record<string, string> = {
  resid_pre: 'the residual stream before',
  norm: 'the shared norm of',
  attn_in: 'the input of attention in',
  qkv: 'queries, keys and values of',
  z: 'the heads’ results in',
  attn_bias: 'the attention’s output bias in',
  attn_out: 'what attention adds in',
  resid_mid: 'the residual stream after attention in',
  mlp_in: 'the input of the feed-forward of',
  mlp_in_bias: 'the feed-forward’s input bias in',
  mlp_bias: 'the feed-forward’s output bias in',
  mlp_out: 'what the feed-forward adds in',
  resid_post: 'the residual stream after',
  'z.rest': 'rows of W_O that are not shown in',
  'heads.rest': 'heads that are not shown in',
  'neurons.rest': 'neurons that are not shown in',
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
  const [, layer, plain, head, part, row, neuron, key] = found;
  if (plain) return `${FLOW_WORDS[plain] ?? plain} layer ${layer}`;
  if (row) return `entry ${row} of the heads’ results in layer ${layer}`;
  if (neuron) return `${key ? 'key of ' : ''}neuron ${neuron} of layer ${layer}`;
  if (part === undefined) return `head ${head} of layer ${layer}`;
  if (part === 'query') return `query of head ${head} of layer ${layer}`;
  if (part === 'rest') return `other positions of head ${head} of layer ${layer}`;
  const [kind, position] = part.split('@');
  return `${kind} of position ${position} in head ${head} of layer ${layer}`;
}

/** Why the model has no such node or link, in a sentence; null where it may have. */
export function flowMisfit(name: string, model: Dimensions): string | null {
  for (const end of name.split('>')) {
    const found = FLOW_NODE.exec(end);
    if (!found) return `“${name}” is no node or link of a flow graph.`;
    const layer = Number(found[1]);
    const [head, neuron] = [found[3], found[6]];
    const target: Target = head
      ? { kind: 'head', layer, head: Number(head) }
      : neuron
        ? { kind: 'neuron', layer, neuron: Number(neuron) }
        : { kind: 'attn', layer };
    const problem = misfit(target, model);
    if (problem) return problem;
  }
  return null;
}
