/**
 * What the flow graph shows: as state, as parts of the address, as the request it makes.
 */
import { GROUPS, type Group } from '../../draw/flow/groups';
import { flowLayer, isFlowName } from '../../shared/text/address';
import { parsePositions } from '../../shared/text/edits';
import {
  choice,
  field,
  flag,
  integer,
  list,
  viewState,
  type Fields,
} from '../../shared/text/fields';

export const COLOUR_BYS = ['rank', 'entropy', 'attention'] as const;
export const PALETTES = ['unembed', 'visit', 'visit-2'] as const;
export const CHOICES = ['count', 'share', 'hand'] as const;
export const TARGET_MODES = ['first', 'whole'] as const;
export { groupOf, hiddenKinds } from '../../draw/flow/groups';
export { GROUPS, type Group };
export type ColourBy = (typeof COLOUR_BYS)[number];
export type Palette = (typeof PALETTES)[number];

export interface Flow {
  /** Ascending; null: one, at about two thirds of the depth. */
  layers: readonly number[] | null;
  /** What decides which heads, rows and neurons are shown. */
  choice: (typeof CHOICES)[number];
  /** 0: all. */
  n_heads: number;
  values_per_head: number;
  top_neurons: number;
  bottom_neurons: number;
  /** Least share of what is added, of its norm. */
  threshold: number;
  /** Shown by hand: beside the others, or alone. */
  include: readonly string[];
  rest: boolean;
  target_mode: (typeof TARGET_MODES)[number];
  merge_neurons: boolean;
  merge_values: boolean;
  hidden: readonly Group[];
  colour: ColourBy;
  palette: Palette;
  /** The node or link whose paths stand out. */
  focus: string | null;
}

export const FLOW: Readonly<Flow> = {
  layers: null,
  choice: 'count',
  n_heads: 10,
  values_per_head: 2,
  top_neurons: 18,
  bottom_neurons: 7,
  threshold: 0.1,
  include: [],
  rest: false,
  target_mode: 'first',
  merge_neurons: false,
  merge_values: false,
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

/** Options of the question that are the state's own, by the names that they have in Python. */
const OPTIONS = [
  'target_mode',
  'n_heads',
  'values_per_head',
  'top_neurons',
  'bottom_neurons',
  'rest',
  'merge_neurons',
  'merge_values',
] as const;

export type FlowBody = Pick<Flow, (typeof OPTIONS)[number]> & {
  layers: number[];
  target: string | null;
  threshold: number | null;
  include: string[];
};

export function flowBody(flow: Flow, target: string, depth: number): FlowBody {
  const layers = shownLayers(flow.layers, depth);
  const options = Object.fromEntries(OPTIONS.map((name) => [name, flow[name]]));
  return {
    ...(options as Pick<Flow, (typeof OPTIONS)[number]>),
    layers,
    target: target || null,
    threshold: { count: null, share: flow.threshold, hand: UNREACHED }[flow.choice],
    include: flow.include.filter((name) => layers.includes(flowLayer(name) ?? -1)),
  };
}

// ------------------------------------------------------------------ the address

const FIELDS: Fields<Flow> = {
  fl: field(
    FLOW,
    'layers',
    (value) => {
      const layers = parseLayerList(value, DEEPEST);
      return typeof layers === 'string' ? undefined : layers;
    },
    (layers) => layers.join(','),
  ),
  fby: choice(FLOW, 'choice', CHOICES),
  fh: integer(FLOW, 'n_heads', 0, MOST_SHOWN),
  fv: integer(FLOW, 'values_per_head', 1, MOST_SHOWN),
  ft: integer(FLOW, 'top_neurons', 0, MOST_SHOWN),
  fb: integer(FLOW, 'bottom_neurons', 0, MOST_SHOWN),
  fmin: field(FLOW, 'threshold', (value) =>
    /^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : undefined,
  ),
  fin: list<Flow, string>('include', (value) => {
    const names = value.split(',');
    const good = names.length <= MOST_NAMES && names.every((name) => isFlowName(name));
    return good ? [...new Set(names)] : undefined;
  }),
  frest: flag(FLOW, 'rest'),
  fmn: flag(FLOW, 'merge_neurons'),
  fmv: flag(FLOW, 'merge_values'),
  fof: choice(FLOW, 'target_mode', TARGET_MODES),
  fhide: list<Flow, Group>('hidden', (value) => {
    const names = value.split(',');
    const good = names.every((name) => GROUPS.some((group) => group === name));
    return good ? GROUPS.filter((group) => names.includes(group)) : undefined;
  }),
  fcol: choice(FLOW, 'colour', COLOUR_BYS),
  fpal: choice(FLOW, 'palette', PALETTES),
  fat: field(FLOW, 'focus', (value) => (isFlowName(value) ? value : undefined)),
};

export const flowState = viewState(FLOW, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    flow: Flow;
  }
}
