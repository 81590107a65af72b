/** Attention in words and in tables: what a screen reader hears, what is saved. */
import { figures, probability, signed } from '../format';
import type { Attention, AttentionSide, Mode, SideName } from './data';
import { modeName, panelModes, patternOf, valueAt, type PanelMode, type Pattern } from './pattern';
import { across, type Focus, type Pointed } from './shown';

export interface Partner {
  position: number;
  value: number;
}

const SPOKEN = 3;

/** A share as shares are written, other numbers with three figures; a difference with its sign. */
export function valueText({ attention, mode }: Pattern, value: number): string {
  if (Number.isNaN(value)) return '–';
  const share = attention.meta.measure === 'attention';
  if (mode === 'difference' && share) return signed(value);
  if (mode === 'difference') return `${value > 0 ? '+' : ''}${figures(value)}`;
  return share && value >= 0 ? probability(value) : figures(value);
}

/** What a token is paired with, strongest first; what is 0 is left out. */
export function partners(pattern: Pattern, { side, position }: Focus, most: number): Partner[] {
  const found: Partner[] = [];
  if (side === 'query') {
    const row = pattern.rowOf[position] ?? -1;
    for (let key = 0; key < pattern.keys; key++)
      found.push({ position: key, value: valueOf(pattern, row, key) });
  } else
    for (const [row, query] of pattern.queries.entries())
      found.push({ position: query, value: valueOf(pattern, row, position) });
  return found
    .filter(({ value }) => value !== 0 && !Number.isNaN(value))
    .sort((one, other) => Math.abs(other.value) - Math.abs(one.value))
    .slice(0, most);
}

function valueOf(pattern: Pattern, row: number, key: number): number {
  return row < 0 ? Number.NaN : valueAt(pattern, row, key);
}

/** The numbers of a token that sum over all its pairs; the sink is no token, and apart. */
export function rowSum(pattern: Pattern, { side, position }: Focus): number {
  return partners(pattern, { side, position }, Infinity).reduce((sum, { value }) => sum + value, 0);
}

export function tokenWords({ tokens }: Pattern, side: Focus['side'], position: number): string {
  return position < 0 ? 'no token' : (tokens[side][position]?.label ?? '?');
}

/** "query ␣Paris at position 3 looks at ␣France at 1, 0.620; …": what a screen reader hears. */
export function attentionSentence(
  attention: Attention,
  mode: Mode,
  at: Pointed,
  head: string | null,
): string {
  return panelModes(attention, mode)
    .map((one) => sentenceOf(attention, one, at, head))
    .join('; ');
}

function sentenceOf(
  attention: Attention,
  mode: PanelMode,
  at: Pointed,
  head: string | null,
): string {
  const whose = attention.edited ? `${modeName(attention, mode)}: ` : '';
  if (at.kind === 'head') return `${whose}head ${at.head}`;
  const pattern = patternOf(attention, mode, head);
  if (at.kind === 'pair') {
    const row = pattern.rowOf[at.query] ?? -1;
    const value = at.key < 0 ? (pattern.sink?.[row] ?? 0) : valueAt(pattern, row, at.key);
    return `${whose}${placed(pattern, 'query', at.query)} looks at ${placed(pattern, 'key', at.key)}: ${valueText(pattern, value)}`;
  }
  if (at.side === 'query' && (pattern.rowOf[at.position] ?? -1) < 0)
    return `${whose}query ${placed(pattern, at.side, at.position)} is not among those asked`;
  const said = partners(pattern, at, SPOKEN).map(
    ({ position, value }) =>
      `${placed(pattern, across(at.side), position)} ${valueText(pattern, value)}`,
  );
  const verb = at.side === 'query' ? 'looks at' : 'is looked at by';
  return `${whose}${at.side} ${placed(pattern, at.side, at.position)} ${verb} ${said.join(', ') || 'nothing'}`;
}

function placed(pattern: Pattern, side: Focus['side'], position: number): string {
  return position < 0 ? 'no token' : `${tokenWords(pattern, side, position)} at ${position}`;
}

// ------------------------------------------------------------------ files

type Line = Array<string | number | null>;

const COLUMNS = ['side', 'head', 'query', 'query_token', 'key', 'key_token', 'value'];

/** One line for each pair that is not 0: of every head, and of the heads made one, which has no name. */
export function attentionLines(attention: Attention): Line[] {
  const lines: Line[] = [COLUMNS];
  for (const side of ['baseline', 'edited'] as const) {
    const values = attention[side];
    if (!values) continue;
    for (const [at, head] of attention.meta.heads.entries())
      lines.push(...matrixLines(attention.names[side], values, head, headValues(values, at)));
    if (attention.meta.heads.length > 1 || !values.values)
      lines.push(...matrixLines(attention.names[side], values, null, values.combined));
  }
  return lines;
}

function headValues(side: AttentionSide, at: number): Float32Array | null {
  const size = side.queries.length * side.tokens.key.length;
  return side.values?.subarray(at * size, (at + 1) * size) ?? null;
}

function* matrixLines(
  name: string,
  { tokens, queries, edges }: AttentionSide,
  head: string | null,
  values: Float32Array | null,
): Generator<Line> {
  const line = (row: number, key: number, value: number): Line => {
    const query = queries[row] ?? 0;
    return [
      name,
      head,
      query,
      tokens.query[query]?.text ?? '',
      key,
      tokens.key[key]?.text ?? '',
      value,
    ];
  };
  if (!values) {
    if (head !== null) return;
    for (let at = 0; at < edges.values.length; at++)
      yield line(edges.rows[at] ?? 0, edges.keys[at] ?? 0, edges.values[at] ?? 0);
    return;
  }
  for (let row = 0; row < queries.length; row++)
    for (let key = 0; key < tokens.key.length; key++) {
      const value = values[row * tokens.key.length + key] ?? 0;
      if (value !== 0) yield line(row, key, value);
    }
}

/** The heads made one as plain data, with what it is an answer to. */
export function attentionJson(spec: unknown, attention: Attention): unknown {
  const { meta } = attention;
  const written = (side: SideName) => {
    const one = attention[side];
    if (!one) return null;
    return {
      name: attention.names[side],
      tokens: one.tokens,
      shape: [meta.heads.length, one.queries.length, one.tokens.key.length],
      combined: one.combined && [...one.combined],
      values: one.values && [...one.values],
      sink: one.sink && [...one.sink],
      edges: [...one.edges.values].map((value, at) => [
        one.queries[one.edges.rows[at] ?? 0],
        one.edges.keys[at],
        value,
      ]),
    };
  };
  return {
    spec,
    description: meta,
    baseline: written('baseline'),
    edited: written('edited'),
  };
}

/** "3,210 of 8,256 pairs are drawn: of each query the fewest that hold 70 % of its row". */
export function keptWords({ attention, edges, values }: Pattern): string {
  const { mass } = attention.meta;
  const rule =
    mass >= 1
      ? 'every pair that is not 0'
      : `of each query the fewest that hold ${Math.round(mass * 1000) / 10} % of its row`;
  const all = values?.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0);
  const shown = edges.values.length.toLocaleString('en');
  const of = all === undefined ? '' : ` of ${all.toLocaleString('en')}`;
  const strongest =
    edges.all > edges.values.length
      ? ` (there are ${edges.all.toLocaleString('en')}; here are the strongest)`
      : '';
  return `${shown}${of} pairs drawn as curves: ${rule}${strongest}`;
}
