/** A circuit as it is written: its edges by name, and what is at either end. Knows no React. */
import type { components } from '../../api.gen';

type Schemas = components['schemas'];
export type CircuitJson = Pick<
  Schemas['Circuit'],
  'n_heads' | 'edges' | 'whole' | 'none' | 'objective'
> &
  Partial<Pick<Schemas['Circuit'], 'by_position' | 'tokens'>> & {
    /** What is said of nodes, by their names without positions. */
    labels?: Readonly<Record<string, string>>;
  };
export type CircuitEdge = Schemas['CircuitEdge'];

export interface Edge extends CircuitEdge {
  /** "L11.H3>L13.H3.q" */
  id: string;
  /** The node that reads: "L13.H3". */
  reader: string;
}

export interface CircuitData {
  /** Of the prompt, where nodes stand at positions; null: an edge is over all of them. */
  tokens: readonly string[] | null;
  /** Of each layer. */
  heads: readonly number[];
  edges: readonly Edge[];
  edgeOf: ReadonlyMap<string, Edge>;
  /** What is said of nodes, by their names without positions. */
  labels: ReadonlyMap<string, string>;
  /** Nodes that edges start or end at. */
  nodes: ReadonlySet<string>;
  /** Of the largest effect, either way. */
  largest: number;
  /** From the objective without any edge to that of the whole model. */
  span: number;
}

export function circuitData(circuit: CircuitJson): CircuitData {
  const edges = circuit.edges.map((edge) => ({
    ...edge,
    id: edgeId(edge.source, edge.target),
    reader: nodeOf(edge.target),
  }));
  return {
    tokens: circuit.by_position ? (circuit.tokens ?? []).map(({ label }) => label) : null,
    heads: circuit.n_heads,
    edges,
    edgeOf: new Map(edges.map((edge) => [edge.id, edge])),
    nodes: new Set(edges.flatMap(({ source, reader }) => [source, reader])),
    labels: new Map(Object.entries(circuit.labels ?? {})),
    largest: edges.reduce((most, { effect }) => Math.max(most, Math.abs(effect)), 1e-12),
    span: circuit.whole - circuit.none,
  };
}

export function edgeId(source: string, target: string): string {
  return `${source}>${target}`;
}

/** The node that reads: "L3.H2.q" is part of "L3.H2", "L3.H2.q@5" of "L3.H2@5". */
export function nodeOf(target: string): string {
  const [name = '', at] = target.split('@');
  const node = name.split('.').slice(0, 2).join('.');
  return at === undefined ? node : `${node}@${at}`;
}

/** "q", "k" or "v" of a head that reads; "" of everything else. */
export function sideOf(target: string): string {
  return withoutPosition(target).split('.')[2] ?? '';
}

/** Where a node stands; null: over all positions. */
export function positionOf(id: string): number | null {
  const at = id.split('@')[1];
  return at === undefined ? null : Number(at);
}

/** "L3.H2@5" as "L3.H2"; of an edge, both of its ends. */
export function withoutPosition(id: string): string {
  return id.replace(/@\d+/g, '');
}

/** What is said of a node; "": nothing. */
export function labelOf(data: CircuitData, id: string): string {
  return data.labels.get(withoutPosition(id)) ?? '';
}

/** Whether anything is said of a node of the circuit. */
export function isLabelled(data: CircuitData): boolean {
  return [...data.nodes].some((id) => labelOf(data, id) !== '');
}

export function isEdge(id: string): boolean {
  return id.includes('>');
}

/** Of a node: what writes to it, and what it writes to, largest effect first. */
export function edgesAt(data: CircuitData, node: string, end: 'into' | 'from'): Edge[] {
  return data.edges
    .filter((edge) => (end === 'into' ? edge.reader : edge.source) === node)
    .toSorted((one, other) => Math.abs(other.effect) - Math.abs(one.effect));
}

/** How much faithfulness falls where the edge is left out of the circuit; null: not measured, or of nothing. */
export function dropOf(data: CircuitData, edge: CircuitEdge): number | null {
  return edge.within == null || data.span === 0 ? null : edge.within / data.span;
}
