/** What the graph is of, how much of it is shown, what is chosen, and what is taken together. */
import { create } from 'zustand';
import type { Group } from '../../draw/graph/data';
import { QUESTIONS } from '../../questions.gen';
import { change, useSpec, useStore } from '../../shared/state/store';
import { field, flag, list, viewState, type Field, type Fields } from '../../shared/text/fields';
import { chosen, defaultsOf, optionFields, own, type Values } from '../../shared/text/options';

/** The others are said by what views share. */
const OPTIONS = own(QUESTIONS.graph, ['target', 'distractor', 'position']);

/** Options of the question by their names there, and how it is shown. */
export interface Graph extends Values<typeof OPTIONS> {
  /** Parts of all influence that the nodes and edges shown have together; 1: all that there are. */
  nodes: number;
  edges: number;
  /** A node, a group as "group:say a city", or an edge by its ends: "embed@2>L6.F77@4". */
  chosen: string | null;
  /** The chosen edge is measured. */
  measured: boolean;
  groups: readonly Group[];
  /** Groups are shown as their nodes. */
  apart: boolean;
}

export const GRAPH: Readonly<Graph> = {
  ...defaultsOf(OPTIONS),
  nodes: 1,
  edges: 0.6,
  chosen: null,
  measured: false,
  groups: [],
  apart: false,
};

export type GraphBody = Partial<Values<typeof OPTIONS>>;

export function graphBody(state: Graph): GraphBody {
  return chosen(state, OPTIONS);
}

// ------------------------------------------------------------------ the address

const NODE =
  'embed@\\d{1,7}|L\\d{1,4}\\.(?:F\\d{1,9}|F_error|mlp)@\\d{1,7}|logit(?::\\d{1,10})?@\\d{1,7}';
const ONE = new RegExp(`^(?:${NODE})$`);
const LONGEST_NAME = 60;
const MOST_GROUPS = 50;
const MOST_IN_ONE = 500;

/** A node of the answer. */
export function isNodeName(name: string): boolean {
  return ONE.test(name);
}

/** Why a group cannot be called so; null where it can. */
export function misnamed(name: string, groups: readonly Group[]): string | null {
  if (name === '') return 'Give the group a name.';
  if (name.length > LONGEST_NAME) return `At most ${LONGEST_NAME} characters.`;
  if (name.includes('>')) return 'The name cannot have “>” in it: edges are written with it.';
  if (groups.some((one) => one.name === name)) return `There is a group “${name}”.`;
  return null;
}

function isEnd(name: string): boolean {
  const group = /^group:(.+)$/s.exec(name)?.[1];
  return group === undefined ? isNodeName(name) : misnamed(group, []) === null;
}

/** A node, a group, or an edge from one to another. */
export function isChoosable(name: string): boolean {
  const ends = name.split('>');
  return ends.length <= 2 && ends.every(isEnd);
}

/** "say a city:L6.F77@4,L7.F3@4;…": names escaped once more, as they may hold any of these signs. */
export function writeGroups(groups: readonly Group[]): string {
  return groups
    .map(({ name, nodes }) => `${encodeURIComponent(name.toWellFormed())}:${nodes.join(',')}`)
    .join(';');
}

export function readGroups(written: string): readonly Group[] | undefined {
  const found: Group[] = [];
  const taken = new Set<string>();
  for (const part of written.split(';')) {
    const cut = part.indexOf(':');
    const name = decoded(part.slice(0, cut));
    const nodes = part.slice(cut + 1).split(',');
    const clash = nodes.some((node) => !isNodeName(node) || taken.has(node));
    if (cut < 1 || name === null || misnamed(name, found) !== null) return undefined;
    if (clash || new Set(nodes).size < nodes.length || nodes.length > MOST_IN_ONE) return undefined;
    for (const node of nodes) taken.add(node);
    found.push({ name, nodes });
  }
  return found.length <= MOST_GROUPS ? found : undefined;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const share = (name: 'nodes' | 'edges'): Field<Graph> =>
  field(GRAPH, name, (written) => {
    const value = /^[01](\.\d{1,4})?$/.test(written) ? Number(written) : Number.NaN;
    return value <= 1 ? value : undefined;
  });

const FIELDS: Fields<Graph> = {
  gshow: share('nodes'),
  gedges: share('edges'),
  gat: field(GRAPH, 'chosen', (written) => (isChoosable(written) ? written : undefined)),
  gmeas: flag(GRAPH, 'measured'),
  ggroup: list<Graph, Group>('groups', readGroups, writeGroups),
  gapart: flag(GRAPH, 'apart'),
  ...optionFields<Graph>('graph', OPTIONS, {
    answers: 'gans',
    mass: 'gmass',
    latents: 'glat',
    node_threshold: 'gnode',
    edge_threshold: 'gedge',
    labels: 'glab',
  }),
};

export const graphState = viewState(GRAPH, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    graph: Graph;
  }
}

export function useGraphSpec(): Graph {
  return useSpec().graph;
}

export function setGraph(patch: Partial<Graph>, how: 'push' | 'replace' = 'push'): void {
  const { graph } = useStore.getState().spec;
  change({ graph: { ...graph, ...patch } }, how);
}

/** Another edge is not measured until that is asked for; the same once more is left. */
export function choose(id: string | null): void {
  const before = useStore.getState().spec.graph.chosen;
  setGraph({ chosen: id === before ? null : id, measured: false }, 'replace');
}

// ------------------------------------------------------------------ passing

interface Passing {
  /** Picked for a group, in the order in which they were. */
  marked: readonly string[];
  /** Of sliders that are being moved: the address takes them over at the end. */
  nodes: number | null;
  edges: number | null;
}

export const usePassing = create<Passing>(() => ({ marked: [], nodes: null, edges: null }));

export function toggleMark(id: string): void {
  if (!isNodeName(id)) return;
  usePassing.setState(({ marked }) => ({
    marked: marked.includes(id) ? marked.filter((one) => one !== id) : [...marked, id],
  }));
}

/** What was picked, under a name; it leaves the groups that it was in. */
export function takeTogether(name: string): void {
  const { marked } = usePassing.getState();
  const { groups } = useStore.getState().spec.graph;
  const rest = groups.flatMap((group) => {
    const nodes = group.nodes.filter((node) => !marked.includes(node));
    return nodes.length > 0 ? [{ ...group, nodes }] : [];
  });
  usePassing.setState({ marked: [] });
  setGraph({ groups: [...rest, { name, nodes: marked }], chosen: `group:${name}`, apart: false });
}

export function takeApart(name: string): void {
  const { groups, chosen: at } = useStore.getState().spec.graph;
  const gone = `group:${name}`;
  const kept = at !== null && at.split('>').includes(gone) ? null : at;
  setGraph({ groups: groups.filter((group) => group.name !== name), chosen: kept });
}
