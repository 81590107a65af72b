/**
 * What the flow graph shows: as state, as parts of the address, as the request it makes.
 *
 * Reading an address never throws: a reader says whether it understood its part.
 */
import { flowLayer, isFlowName } from '../../shared/text/address';
import { parsePositions } from '../../shared/text/edits';

export const COLOUR_BYS = ['rank', 'entropy', 'attention'] as const;
export const PALETTES = ['unembed', 'visit', 'visit-2'] as const;
export const CHOICES = ['count', 'share', 'hand'] as const;
export const TARGET_MODES = ['first', 'whole'] as const;
/** What can be left out of the picture, by what a person calls it. */
export const GROUPS = [
  'heads',
  'memory',
  'z_rows',
  'neurons',
  'biases',
  'residual',
  'rest',
] as const;

export type Group = (typeof GROUPS)[number];
export type ColourBy = (typeof COLOUR_BYS)[number];
export type Palette = (typeof PALETTES)[number];

export interface Flow {
  /** Ascending; null: one, at about two thirds of the depth. */
  layers: readonly number[] | null;
  /** What decides which heads, rows and neurons are shown. */
  choice: (typeof CHOICES)[number];
  /** 0: all. */
  heads: number;
  values: number;
  top: number;
  bottom: number;
  /** Least share of what is added, of its norm. */
  threshold: number;
  /** Shown by hand: beside the others, or alone. */
  include: readonly string[];
  rest: boolean;
  mode: (typeof TARGET_MODES)[number];
  mergeNeurons: boolean;
  mergeValues: boolean;
  hidden: readonly Group[];
  colour: ColourBy;
  palette: Palette;
  /** The node or link whose paths stand out. */
  focus: string | null;
}

export const FLOW: Readonly<Flow> = {
  layers: null,
  choice: 'count',
  heads: 10,
  values: 2,
  top: 18,
  bottom: 7,
  threshold: 0.1,
  include: [],
  rest: false,
  mode: 'first',
  mergeNeurons: false,
  mergeValues: false,
  hidden: [],
  colour: 'rank',
  palette: 'unembed',
  focus: null,
};

export const MOST_LAYERS = 8;
const MOST_SHOWN = 999;
const MOST_NAMES = 200;
const DEEPEST = 9999;
/** Nothing writes that much more than is added: what is named by hand is then all that is shown. */
const UNREACHED = 1000;

/** Node kinds, and link kinds that no node has, of each group. */
export const GROUP_KINDS: Readonly<Record<Group, readonly string[]>> = {
  heads: ['query', 'key', 'value', 'head'],
  memory: ['key', 'value'],
  z_rows: ['z_row'],
  neurons: ['neuron_key', 'neuron'],
  biases: ['attn_bias', 'mlp_in_bias', 'mlp_bias'],
  residual: ['residual_attn', 'residual_mlp', 'skipped'],
  rest: ['rest'],
};

export function hiddenKinds(hidden: readonly Group[]): ReadonlySet<string> {
  return new Set(hidden.flatMap((group) => GROUP_KINDS[group]));
}

/** The group that a kind of node belongs to; null for the stations, which always stay. */
export function groupOf(kind: string): Group | null {
  if (kind === 'key' || kind === 'value') return 'memory';
  return GROUPS.find((group) => GROUP_KINDS[group].includes(kind)) ?? null;
}

/** The layers that are drawn: those chosen that the model has, else one at two thirds of its depth. */
export function shownLayers(layers: Flow['layers'], depth: number): number[] {
  const there = (layers ?? []).filter((layer) => layer < depth);
  return there.length > 0 ? there : [Math.round((2 * (depth - 1)) / 3)];
}

/** Reads "10,14" or "10-12"; a string is what is wrong. */
export function parseLayerList(typed: string, depth: number): number[] | string {
  const read = parsePositions(typed.replaceAll(/[\s;]+/g, ' ').replaceAll(/(\d) (?=\d)/g, '$1,'));
  if (read === null) return 'Name at least one layer, as in 10, 14.';
  if (typeof read === 'string') return 'Write layers like 10, 14 or 10-12.';
  const beyond = read.find((layer) => layer < 0 || layer >= depth);
  if (beyond !== undefined) return `This model has layers 0–${depth - 1}.`;
  return read.length > MOST_LAYERS ? `At most ${MOST_LAYERS} layers can be chained.` : read;
}

// ------------------------------------------------------------------ the request

export interface FlowBody {
  layers: number[];
  target: string | null;
  target_mode: Flow['mode'];
  n_heads: number;
  values_per_head: number;
  top_neurons: number;
  bottom_neurons: number;
  threshold: number | null;
  include: string[];
  rest: boolean;
  merge_neurons: boolean;
  merge_values: boolean;
}

export function flowBody(flow: Flow, target: string, depth: number): FlowBody {
  const layers = shownLayers(flow.layers, depth);
  return {
    layers,
    target: target || null,
    target_mode: flow.mode,
    n_heads: flow.heads,
    values_per_head: flow.values,
    top_neurons: flow.top,
    bottom_neurons: flow.bottom,
    threshold: { count: null, share: flow.threshold, hand: UNREACHED }[flow.choice],
    include: flow.include.filter((name) => layers.includes(flowLayer(name) ?? -1)),
    rest: flow.rest,
    merge_neurons: flow.mergeNeurons,
    merge_values: flow.mergeValues,
  };
}

// ------------------------------------------------------------------ the address

/** The parts of the address, defaults omitted. */
export function encodeFlow(flow: Flow): Array<[key: string, value: string]> {
  const pairs: Array<[string, string]> = [];
  const put = (key: string, value: string | null, omit: string | null = '') => {
    if (value !== null && value !== omit) pairs.push([key, value]);
  };
  put('fl', flow.layers && flow.layers.join(','));
  put('fby', flow.choice, FLOW.choice);
  for (const [key, name] of Object.entries(COUNTS))
    put(key, String(flow[name]), String(FLOW[name]));
  put('fmin', String(flow.threshold), String(FLOW.threshold));
  put('fin', flow.include.join(','));
  for (const [key, name] of Object.entries(FLAGS)) put(key, flow[name] ? '1' : null);
  put('fof', flow.mode, FLOW.mode);
  put('fhide', flow.hidden.join(','));
  put('fcol', flow.colour, FLOW.colour);
  put('fpal', flow.palette, FLOW.palette);
  put('fat', flow.focus);
  return pairs;
}

const COUNTS = { fh: 'heads', fv: 'values', ft: 'top', fb: 'bottom' } as const;
const FLAGS = { frest: 'rest', fmn: 'mergeNeurons', fmv: 'mergeValues' } as const;

type Reader = (flow: Flow, value: string) => boolean;

/** One reader for each part. */
export const FLOW_READERS: Readonly<Record<string, Reader>> = {
  fl: (flow, value) => {
    const layers = parseLayerList(value, DEEPEST);
    if (typeof layers !== 'string') flow.layers = layers;
    return typeof layers !== 'string';
  },
  fby: oneOf('choice', CHOICES),
  ...Object.fromEntries(
    Object.entries(COUNTS).map(([key, name]) => [key, count(name, name === 'values' ? 1 : 0)]),
  ),
  fmin: (flow, value) => {
    const number = /^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN;
    const good = number >= 0;
    if (good) flow.threshold = number;
    return good;
  },
  fin: (flow, value) => {
    const names = value.split(',');
    const good = names.length <= MOST_NAMES && names.every((name) => isFlowName(name));
    if (good) flow.include = [...new Set(names)];
    return good;
  },
  ...Object.fromEntries(Object.entries(FLAGS).map(([key, name]) => [key, flag(name)])),
  fof: oneOf('mode', TARGET_MODES),
  fhide: (flow, value) => {
    const names = value.split(',');
    const good = names.every((name) => GROUPS.some((group) => group === name));
    if (good) flow.hidden = GROUPS.filter((group) => names.includes(group));
    return good;
  },
  fcol: oneOf('colour', COLOUR_BYS),
  fpal: oneOf('palette', PALETTES),
  fat: (flow, value) => {
    if (isFlowName(value)) flow.focus = value;
    return isFlowName(value);
  },
};

function oneOf<Key extends 'choice' | 'mode' | 'colour' | 'palette'>(
  key: Key,
  legal: readonly Flow[Key][],
): Reader {
  return (flow, value) => {
    const found = legal.find((name) => name === value);
    if (found !== undefined) flow[key] = found;
    return found !== undefined;
  };
}

function count(key: 'heads' | 'values' | 'top' | 'bottom', least: number): Reader {
  return (flow, value) => {
    const number = /^\d{1,4}$/.test(value) ? Number(value) : Number.NaN;
    const good = number >= least && number <= MOST_SHOWN;
    if (good) flow[key] = number;
    return good;
  };
}

function flag(key: 'rest' | 'mergeNeurons' | 'mergeValues'): Reader {
  return (flow, value) => {
    flow[key] = value === '1';
    return value === '1' || value === '0';
  };
}
