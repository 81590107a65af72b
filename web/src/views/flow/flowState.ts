/**
 * What the flow graph shows: as state, as parts of the address, as the request it makes.
 */
import { GROUPS, type Group } from '../../draw/flow/groups';
import { flowLayer, isFlowName } from '../../shared/text/address';
import { parsePositions } from '../../shared/text/edits';
import { choice, field, list, viewState, type Fields } from '../../shared/text/fields';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';
import { LIMITS, QUESTIONS } from '../../questions.gen';

export const COLOUR_BYS = ['rank', 'entropy', 'attention'] as const;
export const PALETTES = ['unembed', 'visit', 'visit-2'] as const;
export const CHOICES = ['count', 'share', 'hand'] as const;
export const TARGET_MODES = QUESTIONS.flow.target_mode.choices;
export { groupOf, hiddenKinds } from '../../draw/flow/groups';
export { GROUPS, type Group };
export type ColourBy = (typeof COLOUR_BYS)[number];
export type Palette = (typeof PALETTES)[number];

/** The others are said by what views share, or in another way. */
const OPTIONS = own(QUESTIONS.flow, ['layers', 'threshold', 'target', 'position']);

/** Options of the question by their names there, and how it is shown. */
export interface Flow extends Values<typeof OPTIONS> {
  /** Ascending; null: one, at about two thirds of the depth. */
  layers: readonly number[] | null;
  /** What decides which heads, rows and neurons are shown. */
  choice: (typeof CHOICES)[number];
  /** Least share of what is added, of its norm. */
  threshold: number;
  hidden: readonly Group[];
  colour: ColourBy;
  palette: Palette;
  /** The node or link whose paths stand out. */
  focus: string | null;
}

export const FLOW: Readonly<Flow> = {
  ...defaultsOf(OPTIONS),
  layers: null,
  choice: 'count',
  threshold: 0.1,
  hidden: [],
  colour: 'rank',
  palette: 'unembed',
  focus: null,
};

export const MOST_LAYERS = LIMITS.max_flow_layers;
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

export type FlowBody = Partial<Values<typeof OPTIONS>> & {
  layers: number[];
  target: string | null;
  threshold: number | null;
  include: string[];
};

export function flowBody(flow: Flow, target: string, depth: number): FlowBody {
  const layers = shownLayers(flow.layers, depth);
  return {
    ...chosen(flow, OPTIONS),
    layers,
    target: target || null,
    threshold: { count: null, share: flow.threshold, hand: UNREACHED }[flow.choice],
    include: flow.include.filter((name) => layers.includes(flowLayer(name) ?? -1)),
  };
}

// ------------------------------------------------------------------ the address

const KEYS = {
  n_heads: 'fh',
  values_per_head: 'fv',
  top_neurons: 'ft',
  bottom_neurons: 'fb',
  include: 'fin',
  rest: 'frest',
  latents: 'flat',
  merge_neurons: 'fmn',
  merge_values: 'fmv',
  target_mode: 'fof',
};

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
  fmin: field(FLOW, 'threshold', (value) =>
    /^\d{1,3}(\.\d{1,6})?$/.test(value) ? Number(value) : undefined,
  ),
  ...optionFields<Flow>('flow', OPTIONS, KEYS, {
    include: list<Flow, string>('include', (value) => {
      const names = value.split(',');
      const good = names.length <= MOST_NAMES && names.every((name) => isFlowName(name));
      return good ? [...new Set(names)] : undefined;
    }),
  }),
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
