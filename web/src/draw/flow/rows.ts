/**
 * Which nodes share a row and how rows are stacked: a head's query, keys, values and result lie side by
 * side, as do a neuron's key and value.
 */
import type { FlowNode, NodeKind } from './data';

/** Room for a line of text. */
export const BOX_HEIGHT = 18;
const ROW_GAP = 3;
const HEAD_GAP = 9;
const BRANCH_GAP = 28;

export const STREAMS: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'resid_pre',
  'resid_mid',
  'resid_mid_cross',
  'resid_post',
]);
const MLP: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'mlp_in',
  'neuron_key',
  'neuron',
  'mlp_in_bias',
  'mlp_bias',
  'mlp_out',
  'ple_in',
  'ple_out',
]);
/** Beside what a column mainly holds. */
export const ASIDE: ReadonlySet<NodeKind> = new Set<NodeKind>([
  'attn_bias',
  'cross_bias',
  'mlp_in_bias',
  'mlp_bias',
  'latent_bias',
  'error',
  'rest',
]);

/** What shares the height of a column, from top to bottom. */
interface Stack {
  groups: Map<string, Group>;
  gap: number;
}

/** Rows that belong together; what spans them all lies in their middle. */
interface Group {
  rows: Map<string, string[]>;
  spans: string[];
  last: boolean;
}

/** Where a node belongs: its stack, its group and, unless it spans the group, its row. */
interface Seat {
  stack: string;
  group: string;
  row: string | null;
}

function seatOf(node: FlowNode): Seat {
  const head = /^(L\d+\.([HX])\d+)(?:\.(\w+)(?:@(\d+))?)?$/.exec(node.id);
  if (head) {
    const [, group = '', letter, part, position] = head;
    const row = part === 'rest' ? 'rest' : (position ?? null);
    return { stack: letter === 'X' ? 'cross' : 'heads', group, row };
  }
  const row = node.id;
  if (node.kind === 'neuron' || node.kind === 'neuron_key')
    return { stack: 'neurons', group: node.id.replace(/\.key$/, ''), row: '' };
  if (node.kind === 'mlp_in_bias' || node.kind === 'mlp_bias')
    return { stack: 'neurons', group: 'bias', row: '' };
  if (node.site) return { stack: `latents of ${node.site}`, group: node.id, row };
  if (node.kind === 'z_row' || node.kind === 'attn_bias')
    return { stack: 'rows', group: node.id, row };
  if (node.kind === 'cross_bias' || node.id.endsWith('.cross_heads.rest'))
    return { stack: 'cross', group: node.id, row };
  if (node.kind !== 'rest') return { stack: node.id, group: node.id, row };
  const stack = node.id.endsWith('.heads.rest') ? 'heads' : isMlp(node) ? 'neurons' : 'rows';
  return { stack, group: node.id, row };
}

/** Of the feed-forward; else of the attention, or of both. */
export function isMlp(node: FlowNode): boolean {
  if (node.site) return node.site.endsWith('.mlp_out');
  return MLP.has(node.kind) || node.id.endsWith('.neurons.rest');
}

/** Of an autoencoder that divides the stream once more: nothing flows on from it. */
export function isBeside(node: FlowNode): boolean {
  return Boolean(node.site) && !/\.(?:attn|mlp)_out$/.test(node.site ?? '');
}

/** Of attention to an encoder. */
export function isCross(node: FlowNode): boolean {
  return node.kind.startsWith('cross_') || /^L\d+\.(?:X\d+|cross_heads)\b/.test(node.id);
}

/** The value of a head that attends to an encoder: its position counts tokens of the source. */
export function isOfSource(node: FlowNode): boolean {
  return node.kind === 'value' && isCross(node);
}

function isAside(node: FlowNode): boolean {
  return ASIDE.has(node.kind) && !/\.[HX]\d+\.rest$/.test(node.id);
}

/** The stacks of one branch of one layer. */
function stacksOf(nodes: readonly FlowNode[]): Stack[] {
  const stacks = new Map<string, Stack>();
  for (const node of nodes) {
    const { stack: name, group: key, row } = seatOf(node);
    const stack = stacks.get(name) ?? {
      groups: new Map<string, Group>(),
      gap: name === 'heads' || name === 'cross' ? HEAD_GAP : ROW_GAP,
    };
    const group = stack.groups.get(key) ?? {
      rows: new Map<string, string[]>(),
      spans: [],
      last: isAside(node),
    };
    if (row === null) group.spans.push(node.id);
    else group.rows.set(row, [...(group.rows.get(row) ?? []), node.id]);
    stack.groups.set(key, group);
    stacks.set(name, stack);
  }
  return [...stacks.values()];
}

export type Heights = ReadonlyMap<string, number>;

function tallest(ids: readonly string[], heights: Heights): number {
  return Math.max(0, ...ids.map((id) => heights.get(id) ?? BOX_HEIGHT));
}

function groupHeight(group: Group, heights: Heights): number {
  return Math.max(rowsHeight(group, heights), tallest(group.spans, heights));
}

function rowsHeight(group: Group, heights: Heights): number {
  const rows = [...group.rows.values()].map((ids) => tallest(ids, heights));
  return total(rows, ROW_GAP);
}

function stackHeight(stack: Stack, heights: Heights): number {
  const groups = [...stack.groups.values()].map((group) => groupHeight(group, heights));
  return total(groups, stack.gap);
}

function total(sizes: readonly number[], gap: number): number {
  return sizes.reduce((sum, size) => sum + size, 0) + gap * Math.max(0, sizes.length - 1);
}

/** Tops of all nodes but the streams. Attention and feed-forward share a middle where they share no column. */
export function stackAll(
  nodes: readonly FlowNode[],
  heights: Heights,
  top: number,
): Map<string, number> {
  const tops = new Map<string, number>();
  const branches = branchesOf(nodes);
  const room = (mlp: boolean) =>
    Math.max(
      0,
      ...branches
        .filter((branch) => branch.mlp === mlp)
        .flatMap((branch) => branch.stacks.map((stack) => stackHeight(stack, heights))),
    );
  const [attention, feedForward] = [room(false), room(true)];
  const apart = sharesColumns(nodes);
  const both = apart ? attention + BRANCH_GAP + feedForward : Math.max(attention, feedForward);
  for (const { mlp, common, stacks } of branches) {
    const middle = !apart || common ? both / 2 : mlp ? both - feedForward / 2 : attention / 2;
    for (const stack of stacks)
      seat(stack, heights, top + middle - stackHeight(stack, heights) / 2, tops);
  }
  return tops;
}

interface Branch {
  mlp: boolean;
  /** The norm that both branches read. */
  common: boolean;
  stacks: Stack[];
}

function branchesOf(nodes: readonly FlowNode[]): Branch[] {
  const inner = nodes.filter((node) => !STREAMS.has(node.kind));
  return [...new Set(inner.map((node) => node.layer))].flatMap((layer) => {
    const here = inner.filter((node) => node.layer === layer);
    const branch = (mlp: boolean) =>
      stacksOf(here.filter((node) => node.kind !== 'norm' && isMlp(node) === mlp));
    return [
      { mlp: false, common: false, stacks: branch(false) },
      { mlp: true, common: false, stacks: branch(true) },
      { mlp: false, common: true, stacks: stacksOf(here.filter((node) => node.kind === 'norm')) },
    ];
  });
}

/** True of parallel blocks. */
export function sharesColumns(nodes: readonly FlowNode[]): boolean {
  const seen = new Set(nodes.filter((node) => isMlp(node)).map((node) => node.column));
  return nodes.some((node) => !isMlp(node) && !STREAMS.has(node.kind) && seen.has(node.column));
}

function seat(stack: Stack, heights: Heights, top: number, tops: Map<string, number>): void {
  let y = top;
  const groups = [...stack.groups.values()].toSorted((a, b) => Number(a.last) - Number(b.last));
  for (const group of groups) {
    const height = groupHeight(group, heights);
    for (const id of group.spans) tops.set(id, y + (height - tallest([id], heights)) / 2);
    let row = y + (height - rowsHeight(group, heights)) / 2;
    for (const ids of group.rows.values()) {
      const room = tallest(ids, heights);
      for (const id of ids) tops.set(id, row + (room - tallest([id], heights)) / 2);
      row += room + ROW_GAP;
    }
    y += height + stack.gap;
  }
}
