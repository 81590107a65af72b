/** What the pop-up says of a token, a pair or a head. */
import type { CardContent, CardSide, CardToken } from '../card';
import { RUNS, type Attention, type Mode } from './data';
import { patternOf, sideOf, sidesOf, valueAt, type PanelMode, type Pattern } from './pattern';
import { nameOf } from './scale';
import { across, type Focus, type Pointed } from './shown';
import { partners, rowSum, tokenWords, valueText } from './text';

const LISTED = 7;
type Facts = CardSide['facts'];

export function attentionCard(
  attention: Attention,
  mode: Mode,
  at: Pointed,
  head: string | null,
): CardContent {
  const own = at.kind === 'head' ? at.head : head;
  const sides = sidesOf(attention, mode).map((side) =>
    cardSide(patternOf(attention, side, own), side, at),
  );
  const change = mode === 'difference' ? changeOf(attention, own, at) : null;
  if (change && sides[1]) sides[1].facts.push(change);
  const titles = sidesOf(attention, mode).map((side) =>
    titleOf(patternOf(attention, side, own), at),
  );
  return { title: [...new Set(titles)].join(' · '), sides, hint: hintOf(at) };
}

function titleOf(pattern: Pattern, at: Pointed): string {
  if (at.kind === 'head')
    return `${at.head}${at.position < 0 ? '' : ` · ${placed(pattern, at.side, at.position)}`}`;
  if (at.kind === 'pair')
    return `${placed(pattern, 'query', at.query)} looks at ${placed(pattern, 'key', at.key)}`;
  return at.side === 'query'
    ? `${placed(pattern, at.side, at.position)} looks at`
    : `${placed(pattern, at.side, at.position)} is looked at by`;
}

function hintOf(at: Pointed): string {
  if (at.kind === 'head') return 'click: this head';
  return at.kind === 'token' ? 'click: its pairs alone' : '';
}

function placed(pattern: Pattern, side: Focus['side'], position: number): string {
  return position < 0 ? 'no token (sink)' : `${tokenWords(pattern, side, position)} (${position})`;
}

function cardSide(pattern: Pattern, side: 'baseline' | 'edited', at: Pointed): CardSide {
  const heading = pattern.attention.meta.measure === 'attention' ? 'share' : 'value';
  const [top, facts] =
    at.kind === 'token'
      ? tokenOfCard(pattern, at)
      : at.kind === 'pair'
        ? pairOfCard(pattern, at)
        : headOfCard(pattern, at);
  const { edited, names } = pattern.attention;
  const name = edited && names.edited !== RUNS.edited ? { name: names[side] } : {};
  return { side, ...name, heading, top, facts: [...facts, ['what', nameOf(pattern)]] };
}

function line(pattern: Pattern, label: string, value: number, most: number): CardToken {
  return { label, probability: Math.abs(value) / most, text: valueText(pattern, value) };
}

function tokenOfCard(pattern: Pattern, at: Pointed & { kind: 'token' }): [CardToken[], Facts] {
  const found = partners(pattern, at, LISTED);
  const most = Math.abs(found[0]?.value ?? 1) || 1;
  const row = pattern.rowOf[at.position] ?? -1;
  const facts: Facts = [['sum of all', valueText(pattern, rowSum(pattern, at))]];
  const sink = at.side === 'query' ? pattern.sink?.[row] : undefined;
  if (sink !== undefined) facts.push(['to no token (sink)', valueText(pattern, sink)]);
  return [
    found.map(({ position, value }) =>
      line(pattern, placed(pattern, across(at.side), position), value, most),
    ),
    facts,
  ];
}

/** The pair's own number, and what each head has of it. */
function pairOfCard(pattern: Pattern, at: Pointed & { kind: 'pair' }): [CardToken[], Facts] {
  const heads = pattern.head === null ? headsOfPair(pattern, at) : [];
  const most = Math.abs(heads[0]?.[1] ?? 1) || 1;
  return [
    heads.slice(0, LISTED).map(([name, value]) => line(pattern, name, value, most)),
    [[pattern.head ?? 'together', valueText(pattern, pairValue(pattern, at.query, at.key))]],
  ];
}

function pairValue(pattern: Pattern, query: number, key: number): number {
  const row = pattern.rowOf[query] ?? -1;
  return key < 0 ? (pattern.sink?.[row] ?? Number.NaN) : valueAt(pattern, row, key);
}

function headsOfPair(
  { attention, mode, rowOf, queries }: Pattern,
  { query, key }: { query: number; key: number },
): Array<[string, number]> {
  const side = sideOf(attention, mode);
  const row = rowOf[query] ?? -1;
  const { heads } = attention.meta;
  if (row < 0 || (key < 0 ? !side.sink : !side.values) || heads.length < 2) return [];
  return heads
    .map((name, head): [string, number] => {
      const at = head * queries.length + row;
      const value = key < 0 ? side.sink?.[at] : side.values?.[at * side.tokens.key.length + key];
      return [name, value ?? 0];
    })
    .sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
}

/** A head's strongest pairs, and its own mean where the map is pointed at. */
function headOfCard(pattern: Pattern, at: Pointed & { kind: 'head' }): [CardToken[], Facts] {
  const { attention, edges, maps } = pattern;
  const { queries } = pattern;
  const { weights } = attention.meta;
  const order = maps.heads.indexOf(at.head);
  const facts: Facts = [];
  const place = at.side === 'query' ? (pattern.rowOf[at.position] ?? -1) : at.position;
  if (at.position >= 0 && place >= 0) {
    const [values, length, words] =
      at.side === 'query'
        ? ([maps.sent, pattern.rows, 'mean sent'] as const)
        : ([maps.received, pattern.keys, 'mean received'] as const);
    facts.push([words, valueText(pattern, values[order * length + place] ?? Number.NaN)]);
  }
  const weight = weights[order] ?? 1;
  if (weight !== 1) facts.push(['weight', String(weight)]);
  if (pattern.head === null) return [[], facts];
  const most = Math.abs(edges.values[0] ?? 1) || 1;
  const strongest = Array.from({ length: Math.min(LISTED, edges.values.length) }, (_, edge) =>
    line(
      pattern,
      `${placed(pattern, 'query', queries[edges.rows[edge] ?? 0] ?? 0)} → ${placed(pattern, 'key', edges.keys[edge] ?? 0)}`,
      edges.values[edge] ?? 0,
      most,
    ),
  );
  return [strongest, facts];
}

function changeOf(attention: Attention, head: string | null, at: Pointed): [string, string] | null {
  if (at.kind !== 'pair') return null;
  const mode: PanelMode = 'difference';
  const pattern = patternOf(attention, mode, head);
  return ['change', valueText(pattern, pairValue(pattern, at.query, at.key))];
}
