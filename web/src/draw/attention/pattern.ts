/** One pattern as it is drawn: of one side, or the difference; the heads made one, or a single head. */
import { edgesOf } from './edges';
import type { Attention, AttentionSide, Edges, Mode, SideName, Tokens } from './data';

/** What one panel shows. */
export type PanelMode = Exclude<Mode, 'beside'>;

export interface Pattern {
  attention: Attention;
  mode: PanelMode;
  /** "L5.H2"; null: the heads made one. */
  head: string | null;
  /** Of the queries, and of the keys. */
  tokens: Tokens;
  /** Positions of the rows, and the row of a position; -1 where it was not asked. */
  queries: readonly number[];
  rowOf: Int32Array;
  rows: number;
  keys: number;
  /** Rows × keys; null: only the edges are known. */
  values: Float32Array | null;
  edges: Edges;
  /** Of each row, what goes to no token; null: nothing does. */
  sink: Float32Array | null;
  /** Values have a sign. */
  signed: boolean;
  /** The largest absolute value, of both sides: what the colours span. */
  most: number;
  maps: HeadMaps;
}

export interface HeadMaps {
  heads: readonly string[];
  /** Heads × rows, heads × keys. */
  sent: Float32Array;
  received: Float32Array;
}

const kept = new WeakMap<Attention, Map<string, Pattern>>();
const MOST_KEPT = 24;
/** Of the largest number: a difference that small is drawn faint. */
const LEAST_CHANGE = 1e-3;

/** The same pattern for the same question: who draws can compare by identity. */
export function patternOf(attention: Attention, mode: PanelMode, head: string | null): Pattern {
  const known = kept.get(attention) ?? new Map<string, Pattern>();
  kept.set(attention, known);
  const wanted = attention.edited ? mode : 'baseline';
  const key = `${wanted} ${head ?? ''}`;
  let pattern = known.get(key);
  if (!pattern) {
    pattern = composed(attention, wanted, head);
    if (known.size >= MOST_KEPT) known.delete([...known.keys()][0] ?? '');
    known.set(key, pattern);
  }
  return pattern;
}

/** Whether the two sides are of the same tokens, so that one can be taken off the other. */
export function comparable({ baseline, edited }: Attention): boolean {
  const sizes = ({ tokens, queries }: AttentionSide) =>
    [tokens.query.length, tokens.key.length, ...queries].join();
  return edited !== null && sizes(edited) === sizes(baseline);
}

/** Of the queries and, where they are of another text, of the keys. */
export function labelsOf({ tokens }: Pattern): string[] {
  const texts = tokens.key === tokens.query ? [tokens.query] : [tokens.query, tokens.key];
  return texts.flat().map(({ label }) => label);
}

/** What a mode is drawn as: a difference there is not is the edited side. */
export function panelModes(attention: Attention, mode: Mode): PanelMode[] {
  if (!attention.edited) return ['baseline'];
  if (mode === 'beside') return ['baseline', 'edited'];
  return [mode === 'difference' && !comparable(attention) ? 'edited' : mode];
}

export function sideOf(attention: Attention, mode: PanelMode): AttentionSide {
  return mode === 'baseline' ? attention.baseline : (attention.edited ?? attention.baseline);
}

/** Positions at which the second text of a sentence pair, or its end, begins; none of one text. */
export function textStarts({ attention, mode }: Pattern): number[] {
  const { segments } = sideOf(attention, mode);
  return segments.flatMap((text, at) => (at > 0 && text !== segments[at - 1] ? [at] : []));
}

/** What people call it. */
export function modeName({ names }: Attention, mode: PanelMode): string {
  return mode === 'difference' ? mode : names[mode];
}

/** The sides whose numbers a card or a table says. */
export function sidesOf(attention: Attention, mode: Mode): SideName[] {
  if (!attention.edited) return ['baseline'];
  return mode === 'beside' || mode === 'difference' ? ['baseline', 'edited'] : [mode];
}

function composed(attention: Attention, mode: PanelMode, head: string | null): Pattern {
  const { meta } = attention;
  const side = sideOf(attention, mode);
  const rows = side.queries.length;
  const keys = side.tokens.key.length;
  const known = head !== null && side.values && meta.heads.includes(head) ? head : null;
  const other = mode === 'difference' ? attention.baseline : null;
  const values = minus(
    matrixOf(attention, side, known),
    other && matrixOf(attention, other, known),
  );
  const edges =
    other === null && known === null
      ? side.edges
      : values
        ? edgesOf(values, rows, keys, meta.mass)
        : side.edges;
  return {
    attention,
    mode,
    head: known,
    tokens: side.tokens,
    queries: side.queries,
    rowOf: side.rowOf,
    rows,
    keys,
    values,
    edges,
    sink: minus(sinkOf(attention, side, known), other && sinkOf(attention, other, known)),
    signed: isSigned(attention, mode),
    most: mostOf(attention, mode, known, values ?? edges.values),
    maps: {
      heads: meta.heads,
      sent: minus(side.sent, other?.sent ?? null),
      received: minus(side.received, other?.received ?? null),
    },
  };
}

/** Both sides have one scale, so that what looks alike is alike; of a difference rounding is not drawn large. */
function mostOf(
  attention: Attention,
  mode: PanelMode,
  head: string | null,
  values: Float32Array,
): number {
  const { baseline, edited } = attention;
  if (!edited) return largest(values);
  const sides = [baseline, edited].map((side) =>
    largest(matrixOf(attention, side, head) ?? side.edges.values),
  );
  const whole = Math.max(...sides);
  return mode === 'difference' ? Math.max(largest(values), LEAST_CHANGE * whole) : whole;
}

/** A difference, an effect, or heads that a negative weight takes off. */
function isSigned({ meta }: Attention, mode: PanelMode): boolean {
  return (
    mode === 'difference' || meta.measure === 'target' || meta.weights.some((weight) => weight < 0)
  );
}

/** Rows × keys of one head, or of the heads made one. */
export function matrixOf(
  { meta }: Attention,
  side: AttentionSide,
  head: string | null,
): Float32Array | null {
  const at = head === null ? -1 : meta.heads.indexOf(head);
  if (at < 0 || !side.values) return side.combined;
  const size = side.queries.length * side.tokens.key.length;
  return side.values.subarray(at * size, (at + 1) * size);
}

/** Only a share of attention goes to a sink: nothing is moved from there. */
function sinkOf({ meta }: Attention, side: AttentionSide, head: string | null) {
  if (!side.sink || meta.measure !== 'attention') return null;
  const rows = side.queries.length;
  const at = head === null ? -1 : meta.heads.indexOf(head);
  if (at >= 0) return side.sink.subarray(at * rows, (at + 1) * rows);
  const whole = meta.combine === 'mean' ? meta.weights.reduce((sum, one) => sum + one, 0) : 1;
  const sink = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (const [order, weight] of meta.weights.entries())
      sum += weight * (side.sink[order * rows + row] ?? 0);
    sink[row] = sum / whole;
  }
  return sink;
}

function minus<Left extends Float32Array | null>(left: Left, right: Float32Array | null): Left {
  if (!left || !right || left.length !== right.length) return left;
  return left.map((value, at) => value - (right[at] ?? 0)) as Left;
}

export function largest(values: Float32Array): number {
  let most = 0;
  for (const value of values) if (Math.abs(value) > most) most = Math.abs(value);
  return most || 1;
}

/** The number of a pair; NaN where it is not known. */
export function valueAt(pattern: Pattern, row: number, key: number): number {
  if (row < 0 || key < 0 || key >= pattern.keys) return Number.NaN;
  if (pattern.values) return pattern.values[row * pattern.keys + key] ?? Number.NaN;
  const { rows, keys, values } = pattern.edges;
  for (let at = 0; at < rows.length; at++)
    if (rows[at] === row && keys[at] === key) return values[at] ?? Number.NaN;
  return Number.NaN;
}

/** Of each head, its numbers from one query to every key, or from every query to one key. */
export function headsAt(
  { attention, mode, keys, rows }: Pattern,
  side: 'query' | 'key',
  at: number,
): Float32Array | null {
  const one = sideOf(attention, mode);
  const other = mode === 'difference' ? attention.baseline.values : null;
  if (!one.values || at < 0) return null;
  const heads = attention.meta.heads.length;
  const length = side === 'query' ? keys : rows;
  const found = new Float32Array(heads * length);
  for (let head = 0; head < heads; head++)
    for (let place = 0; place < length; place++) {
      const [row, key] = side === 'query' ? [at, place] : [place, at];
      const from = (head * rows + row) * keys + key;
      found[head * length + place] = (one.values[from] ?? 0) - (other?.[from] ?? 0);
    }
  return found;
}
