/**
 * Where the nodes of a flow graph stand: columns from left to right, rows that keep what belongs together
 * side by side (a head's query, keys, values and result; a neuron's key and value), the stream on top.
 *
 * A place depends on neither what is hidden nor which of two runs is drawn, so that nothing jumps.
 */
import type { FlowNode, FlowSideData, NodeKind } from './data';
import {
  ASIDE,
  BOX_HEIGHT,
  isBeside,
  isCross,
  isMlp,
  sharesColumns,
  stackAll,
  STREAMS,
  type Heights,
} from './rows';
import { isBand, scalesOf, thickness, type Scales } from './scale';

export interface Slot {
  x: number;
  y: number;
  height: number;
  /** Where in the slot a lower box lies: streams hang from the top, so that bands stay straight. */
  align: 'top' | 'middle';
}

export interface Column {
  index: number;
  x: number;
  name: string;
}

/** A stretch of columns with a name: a layer, or a branch in it. */
export interface Span {
  name: string;
  left: number;
  right: number;
}

export interface Places {
  slots: ReadonlyMap<string, Slot>;
  columns: Column[];
  layers: (Span & { layer: number })[];
  branches: Span[];
  scales: Scales;
  width: number;
  height: number;
}

export const BOX_WIDTH = 80;
const LANE_GAP = 18;
const STRAIGHT = 34;
const SINGLE = 40;
const FAN = 66;

/** `sides`: those that are to have the same places; the first one orders the rows. */
export function placeFlow(sides: readonly FlowSideData[]): Places {
  const scales = scalesOf(sides);
  const nodes = [...new Map(sides.flatMap((side) => [...side.nodeOf])).values()];
  const heights = heightsOf(nodes, sides, scales);
  const columns = columnsOf(nodes);
  const lane = laneOf(sides, scales);
  const tops = stackAll(nodes, heights, lane + LANE_GAP);
  const slots = new Map<string, Slot>();
  for (const node of nodes) {
    const x = columns.find((column) => column.index === node.column)?.x ?? 0;
    const stream = STREAMS.has(node.kind);
    const height = heights.get(node.id) ?? BOX_HEIGHT;
    const y = stream ? 0 : (tops.get(node.id) ?? 0);
    slots.set(node.id, { x, y, height, align: stream ? 'top' : 'middle' });
  }
  return {
    slots,
    columns,
    layers: layersOf(nodes, slots),
    branches: branchSpans(nodes, slots),
    scales,
    width: (columns.at(-1)?.x ?? 0) + BOX_WIDTH,
    height: Math.max(0, ...[...slots.values()].map((slot) => slot.y + slot.height)),
  };
}

// ------------------------------------------------------------------ sizes

/** Of one node in one run: what goes in or out, whichever is more, but at least a line of text. */
export function boxHeight(side: FlowSideData, id: string, scales: Scales): number {
  const sum = (links: ReadonlyMap<string, FlowSideData['links']>) =>
    (links.get(id) ?? []).reduce((total, link) => total + thickness(link, scales), 0);
  return Math.max(BOX_HEIGHT, sum(side.into), sum(side.from));
}

function heightsOf(
  nodes: readonly FlowNode[],
  sides: readonly FlowSideData[],
  scales: Scales,
): Heights {
  return new Map(
    nodes.map(({ id }) => [id, Math.max(...sides.map((side) => boxHeight(side, id, scales)))]),
  );
}

function laneOf(sides: readonly FlowSideData[], scales: Scales): number {
  const bands = sides.flatMap((side) => side.links.filter(isBand));
  return Math.max(0, ...bands.map((link) => thickness(link, scales)));
}

// ------------------------------------------------------------------ columns

function columnsOf(nodes: readonly FlowNode[]): Column[] {
  const members = new Map<number, FlowNode[]>();
  for (const node of nodes) {
    const list = members.get(node.column);
    if (list) list.push(node);
    else members.set(node.column, [node]);
  }
  let x = 0;
  let before: FlowNode[] | null = null;
  return [...members.keys()]
    .toSorted((a, b) => a - b)
    .map((index) => {
      const here = members.get(index) ?? [];
      if (before) x += BOX_WIDTH + gapBetween(before, here);
      before = here;
      return { index, x, name: nameOf(here) };
    });
}

/** Wide where links fan out, so that they do not cross steeply. */
function gapBetween(left: readonly FlowNode[], right: readonly FlowNode[]): number {
  const [few, many] = [left.length, right.length].toSorted((a, b) => a - b) as [number, number];
  if (many <= 2) return SINGLE;
  return many > 2 * few + 1 ? FAN : STRAIGHT;
}

const NAMES: Readonly<Record<NodeKind, string>> = {
  resid_pre: 'stream',
  norm: 'norm',
  attn_in: 'reads',
  mixer_in: 'reads',
  qkv: 'q, k, v',
  query: 'queries',
  key: 'keys',
  value: 'values',
  head: 'heads',
  z: 'all heads',
  z_row: 'rows of W_O',
  attn_bias: 'bias',
  attn_out: 'adds',
  mixer_out: 'adds',
  resid_mid: 'stream',
  cross_in: 'reads',
  cross_bias: 'bias',
  cross_out: 'adds',
  resid_mid_cross: 'stream',
  mlp_in: 'reads',
  neuron_key: 'keys',
  neuron: 'neurons',
  latent: 'latents',
  latent_bias: 'bias',
  error: 'not explained',
  mlp_in_bias: 'bias',
  mlp_bias: 'bias',
  mlp_out: 'adds',
  ple_in: 'reads',
  ple_out: 'adds',
  resid_post: 'stream',
  rest: 'the rest',
};
/** Of what a column mainly holds; parallel blocks have two things in one. */
function nameOf(nodes: readonly FlowNode[]): string {
  const main = nodes.filter((node) => !ASIDE.has(node.kind));
  const names = new Set((main.length > 0 ? main : nodes).map((node) => NAMES[node.kind]));
  return [...names].join(' · ');
}

type Slots = ReadonlyMap<string, Slot>;

function layersOf(nodes: readonly FlowNode[], slots: Slots): Places['layers'] {
  const layers = [...new Set(nodes.map((node) => node.layer))];
  return layers.map((layer) => {
    const here = nodes.filter((node) => node.layer === layer);
    return { layer, ...spanOf(`Layer ${layer}`, here, slots) };
  });
}

const isMixer = ({ kind }: FlowNode): boolean => kind === 'mixer_in' || kind === 'mixer_out';

/** Parallel blocks have both in the same columns. */
function branchSpans(nodes: readonly FlowNode[], slots: Slots): Span[] {
  const inner = nodes.filter(
    (node) => !STREAMS.has(node.kind) && node.kind !== 'norm' && !isBeside(node),
  );
  return [...new Set(inner.map((node) => node.layer))].flatMap((layer) => {
    const here = inner.filter((node) => node.layer === layer);
    const [attention, crossed, feedForward] = partsOf(here);
    if (sharesColumns(here)) return [spanOf('attention above, feed-forward below', here, slots)];
    return [
      spanOf(attention.some(isMixer) ? 'token mixer' : 'attention', attention, slots),
      spanOf('attention to the encoder', crossed, slots),
      spanOf('feed-forward', feedForward, slots),
    ].filter((span) => span.right > span.left);
  });
}

/** Attention, attention to an encoder, and feed-forward. */
function partsOf(nodes: readonly FlowNode[]): [FlowNode[], FlowNode[], FlowNode[]] {
  const others = nodes.filter((node) => !isMlp(node));
  return [
    others.filter((node) => !isCross(node)),
    others.filter((node) => isCross(node)),
    nodes.filter((node) => isMlp(node)),
  ];
}

function spanOf(name: string, nodes: readonly FlowNode[], slots: Slots): Span {
  const lefts = nodes.map((node) => slots.get(node.id)?.x ?? 0);
  return { name, left: Math.min(...lefts), right: Math.max(...lefts) + BOX_WIDTH };
}
