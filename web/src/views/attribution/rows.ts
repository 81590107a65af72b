/** What is listed, side by side: nodes, components, positions; with the columns of each. */
import { parseTarget } from '../../shared/text/address';
import { figures, signed } from '../../draw/format';
import type { Schemas } from '../../shared/api/client';
import type { Attribution } from './attributionState';
import type { Comparison } from './query';
import type { ReaderNode } from './tracing';

export type Node = Schemas['AttributedNode'];
export type Token = Schemas['Token'];
type Side = Schemas['Attribution'];
export type Shown = 'baseline' | 'edited' | 'difference';

/** One line of the table: what it is of, and its numbers, each under the name of its column. */
export interface Row {
  /** "L9.H6@14<3", "L9.H6", "14". */
  id: string;
  kind: string;
  layer: number | null;
  /** Where it writes; null of a component. */
  position: number | null;
  /** Of a pair: where it looks. */
  key: number | null;
  /** Of two prompts: its position in the other one, whose node it is; null: the page's own. */
  other: number | null;
  /** Of a reader of what is traced downstream: through what it reads that. */
  through: ReaderNode['through'] | null;
  numbers: Readonly<Record<string, number | null>>;
}

export interface Column {
  name: string;
  /** In the head of the table. */
  head: string;
  about: string;
  write: (value: number) => string;
  /** What a click on its head ranks by. */
  sort?: Pick<Partial<Attribution>, 'sort_by' | 'order'>;
  /** Drawn as a bar beside the number. */
  bar?: true;
}

/** Where nothing can be, 0 is not rounded. */
const effect = (value: number) => (value === 0 ? '0' : signed(value, 3));
/** Norms of what heads move may be thousands. */
const read = (value: number) =>
  Math.abs(value) < 100 ? effect(value) : `${value < 0 ? '−' : '+'}${figures(Math.abs(value))}`;

const TOTAL = 'Estimated: what the objective loses without it, later effects included';
const DIRECT = 'What it writes there does to the objective, past all later layers';

const COLUMNS: Readonly<Record<string, Column>> = Object.fromEntries(
  [
    {
      name: 'activation',
      head: 'activation',
      about: 'Of a neuron; of a pair the share of attention',
      write: figures,
      sort: { sort_by: 'activation', order: 'listed' } as const,
    },
    {
      name: 'write',
      head: 'write norm',
      about: 'Norm of what it adds to the residual stream',
      write: figures,
      sort: { sort_by: 'write', order: 'listed' } as const,
    },
    {
      name: 'direct',
      head: 'direct',
      about: DIRECT,
      write: effect,
      sort: { sort_by: 'direct', order: 'listed' } as const,
      bar: true as const,
    },
    {
      name: 'total',
      head: 'total, estimated',
      about: TOTAL,
      write: effect,
      sort: { sort_by: 'total', order: 'listed' } as const,
      bar: true as const,
    },
    {
      name: 'measured',
      head: 'measured',
      about: 'What the objective really loses, by a run without it',
      write: effect,
      sort: { order: 'measured' } as const,
      bar: true as const,
    },
    {
      name: 'value',
      head: 'in the run',
      about: 'The score, or the argument, in the run; of a value the norm of all that it moves',
      write: figures,
    },
    {
      name: 'effect',
      head: 'effect',
      about:
        'What the write adds to that, past all in between; of a value the norm of what is moved',
      write: read,
      bar: true as const,
    },
    {
      name: 'lost',
      head: 'measured',
      about: 'What that loses in a run without the node, all in between included',
      write: read,
      bar: true as const,
    },
    ...(['effect'] as const).flatMap((name) => [
      { name: `${name}.baseline`, head: 'effect, baseline', about: '', write: effect },
      { name: `${name}.edited`, head: 'edited', about: '', write: effect },
      {
        name: `${name}.change`,
        head: 'change',
        about: 'Edited less baseline: effect',
        write: effect,
        bar: true as const,
      },
    ]),
    ...(['direct', 'total'] as const).flatMap((name) => [
      { name: `${name}.baseline`, head: `${name}, baseline`, about: '', write: effect },
      { name: `${name}.edited`, head: 'edited', about: '', write: effect },
      {
        name: `${name}.change`,
        head: 'change',
        about: `Edited less baseline: ${name} effect`,
        write: effect,
        sort: { sort_by: name, order: 'listed' } as const,
        bar: true as const,
      },
    ]),
    ...(
      [
        ['embedding', 'Of the token’s embedding'],
        ['heads', 'Of what heads write there'],
        ['neurons', 'Of the neurons there'],
        ['others', 'Of biases, and of branches that are not taken apart'],
        ['sum', 'Of all that is written there'],
        ['looked_at', 'Of what heads elsewhere, and here, fetch from there'],
      ] as const
    ).map(([name, about]) => ({
      name,
      head: name === 'looked_at' ? 'looked at' : name,
      about: `Estimated total effects: ${about.charAt(0).toLowerCase()}${about.slice(1)}`,
      write: effect,
      ...(name === 'sum' || name === 'looked_at' ? { bar: true as const } : {}),
    })),
  ].map((column) => [column.name, column]),
);

const NAMES: Readonly<Record<Attribution['grouping'], Readonly<Record<Shown, readonly string[]>>>> =
  {
    nodes: {
      baseline: ['activation', 'write', 'direct', 'total', 'measured'],
      edited: ['activation', 'write', 'direct', 'total', 'measured'],
      difference: changes(['total', 'direct']),
    },
    components: {
      baseline: ['direct', 'total'],
      edited: ['direct', 'total'],
      difference: changes(['total', 'direct']),
    },
    positions: {
      baseline: ['embedding', 'heads', 'neurons', 'others', 'sum', 'looked_at'],
      edited: ['embedding', 'heads', 'neurons', 'others', 'sum', 'looked_at'],
      difference: changes(['total']),
    },
  };

/** Of a trace downstream. */
const OF_READERS: Readonly<Record<Shown, readonly string[]>> = {
  baseline: ['value', 'effect', 'lost'],
  edited: ['value', 'effect', 'lost'],
  difference: changes(['effect']),
};

function changes(names: readonly string[]): string[] {
  return names.flatMap((name) => [`${name}.baseline`, `${name}.edited`, `${name}.change`]);
}

/** Without a node that was measured there is no such column; without direct effects none of them. */
export function columnsOf(
  grouping: Attribution['grouping'],
  shown: Shown,
  rows: readonly Row[],
): Column[] {
  const optional = ['measured', 'activation', 'direct', 'looked_at', 'direct.change', 'lost'];
  const names = isOfReaders(rows) ? OF_READERS : NAMES[grouping];
  return names[shown].flatMap((name) => {
    const column = COLUMNS[name];
    const there = !optional.includes(name) || rows.some((row) => row.numbers[name] != null);
    return column && there ? [column] : [];
  });
}

function isOfReaders(rows: readonly Row[]): boolean {
  return rows.some(({ through }) => through !== null);
}

/** A reader reads in several ways, and is one row for each. */
export function keyOf({ id, through }: Pick<Row, 'id' | 'through'>): string {
  return through === null ? id : `${id}:${through}`;
}

// ------------------------------------------------------------------ rows

/** The side that is shown; the difference needs both. */
export function shownOf(answer: Comparison, mode: Shown): Shown {
  if (!answer.edited) return 'baseline';
  return mode;
}

export function sideOf(answer: Comparison, shown: Shown): Side {
  return shown !== 'baseline' && answer.edited ? answer.edited : answer.baseline;
}

export function rowsOf(answer: Comparison, state: Attribution, shown: Shown): Row[] {
  if (state.grouping === 'components') return ranked(componentRows(answer, shown), state, shown);
  if (state.grouping === 'positions') return positionRows(answer, shown);
  const rows = nodeRows(answer, shown);
  return shown === 'difference' ? ranked(rows, state, shown) : rows;
}

function nodeRows(answer: Comparison, shown: Shown): Row[] {
  if (shown !== 'difference') return sideOf(answer, shown).rows.map(rowOf);
  const sides = (['baseline', 'edited'] as const).map((side) => {
    const listed = [...(answer[side]?.rows ?? []), ...(answer.unlisted[side] ?? [])];
    return new Map(listed.map((node) => [keyOf(rowOf(node)), node]));
  });
  const [before, after] = sides;
  const names = new Set(sides.flatMap((side) => [...side.keys()]));
  return [...names].flatMap((name) => {
    const [one, other] = [before?.get(name), after?.get(name)];
    const node = one ?? other;
    const row = node && rowOf(node);
    return row
      ? [{ ...row, numbers: row.through ? readBeside(one, other) : beside(one, other) }]
      : [];
  });
}

function rowOf(node: Node & { other?: number } & Partial<ReaderNode>): Row {
  const { name, kind, layer, position, key, other = null, through = null, ...rest } = node;
  const { activation, write, direct, total, measured, value } = rest;
  const reads = { value: value ?? null, effect: total, lost: measured ?? null };
  return {
    id: name,
    kind,
    layer: layer ?? null,
    position,
    key: key ?? null,
    other,
    through,
    numbers: through
      ? reads
      : {
          activation: activation ?? null,
          write,
          direct: direct ?? null,
          total,
          measured: measured ?? null,
        },
  };
}

function readBeside(one: Node | undefined, other: Node | undefined): Row['numbers'] {
  const {
    'total.baseline': before,
    'total.edited': after,
    'total.change': change,
  } = beside(one, other);
  return {
    'effect.baseline': before ?? null,
    'effect.edited': after ?? null,
    'effect.change': change ?? null,
  };
}

interface Effects {
  total: number;
  direct?: number | null;
}

function beside(one: Effects | undefined, other: Effects | undefined): Row['numbers'] {
  const pair = (name: 'total' | 'direct') => {
    const [before, after] = [one?.[name] ?? null, other?.[name] ?? null];
    return {
      [`${name}.baseline`]: before,
      [`${name}.edited`]: after,
      [`${name}.change`]: before === null || after === null ? null : after - before,
    };
  };
  return { ...pair('total'), ...pair('direct') };
}

function componentRows(answer: Comparison, shown: Shown): Row[] {
  const base = sideOf(answer, shown === 'difference' ? 'baseline' : shown);
  const others = new Map((answer.edited?.components ?? []).map((one) => [one.name, one]));
  return base.components.map((one) => ({
    id: one.name,
    kind: one.kind,
    layer: one.layer ?? null,
    position: null,
    key: null,
    other: null,
    through: null,
    numbers:
      shown === 'difference'
        ? beside(one, others.get(one.name))
        : { direct: one.direct ?? null, total: one.total },
  }));
}

function positionRows(answer: Comparison, shown: Shown): Row[] {
  const side = sideOf(answer, shown === 'difference' ? 'baseline' : shown);
  const sum = (one: Side['at_positions'][number] | undefined) =>
    one && { total: one.embedding + one.heads + one.neurons + one.others };
  return side.at_positions.map((one, at) => ({
    id: String(at),
    kind: '',
    layer: null,
    position: at,
    key: null,
    other: null,
    through: null,
    numbers:
      shown === 'difference'
        ? beside(sum(one), sum(answer.edited?.at_positions[at]))
        : { ...one, looked_at: one.looked_at ?? null, sum: sum(one)?.total ?? 0 },
  }));
}

/** Largest either way first, of what the server did not rank. */
function ranked(rows: Row[], { sort_by: by }: Attribution, shown: Shown): Row[] {
  if (isOfReaders(rows)) return rankedReaders(rows);
  const metric = by === 'direct' ? 'direct' : 'total';
  const name = shown === 'difference' ? `${metric}.change` : metric;
  const size = (row: Row) => Math.abs(row.numbers[name] ?? 0);
  return rows.toSorted((a, b) => size(b) - size(a));
}

/** Each way in by itself: scores, arguments and norms have no common unit. */
function rankedReaders(rows: Row[]): Row[] {
  const ways = [...new Set(rows.map(wayOf))];
  const size = (row: Row) => Math.abs(row.numbers['effect.change'] ?? 0);
  const at = (row: Row) => ways.indexOf(wayOf(row));
  return rows.toSorted((a, b) => at(a) - at(b) || size(b) - size(a));
}

function wayOf({ kind, through }: Row): string {
  return `${kind} ${through ?? ''}`;
}

// ------------------------------------------------------------------ filters and order

/** The column whose sign counts. */
export function signColumn(shown: Shown, state: Pick<Attribution, 'sort_by' | 'grouping'>): string {
  if (state.grouping === 'positions') return shown === 'difference' ? 'total.change' : 'sum';
  const metric = state.sort_by === 'direct' ? 'direct' : 'total';
  return shown === 'difference' ? `${metric}.change` : metric;
}

export function filtered(
  rows: readonly Row[],
  state: Attribution,
  shown: Shown,
  tokens: readonly Token[],
): Row[] {
  const column = isOfReaders(rows)
    ? shown === 'difference'
      ? 'effect.change'
      : 'effect'
    : signColumn(shown, state);
  const wanted = state.find.trim().toLowerCase();
  const said = (row: Row) =>
    [row.id, row.kind, label(tokens, row.position), label(tokens, row.key)].join(' ').toLowerCase();
  const signs = { both: () => true, positive: isAbove, negative: isBelow }[state.sign];
  const kept = rows.filter(
    (row) => signs(row.numbers[column] ?? 0) && (wanted === '' || said(row).includes(wanted)),
  );
  return ordered(kept, state);
}

const isAbove = (value: number) => value > 0;
const isBelow = (value: number) => value < 0;

function label(tokens: readonly Token[], at: number | null): string {
  return at === null ? '' : `${tokens[at]?.label ?? ''} ${tokens[at]?.text ?? ''}`;
}

function ordered(rows: Row[], { order, grouping }: Attribution): Row[] {
  if (order === 'name')
    return rows.toSorted((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  if (order === 'position' && grouping === 'nodes')
    return rows.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0));
  if (order !== 'measured' || grouping !== 'nodes') return rows;
  const size = ({ numbers: { measured } }: Row) => (measured == null ? -1 : Math.abs(measured));
  return rows.toSorted((a, b) => size(b) - size(a));
}

/** The largest number of a column that has bars; of readers for each way in. */
export function largest(
  rows: readonly Row[],
  columns: readonly Column[],
): Readonly<Record<string, number>> {
  const names = columns.filter(({ bar }) => bar).map(({ name }) => name);
  const found: Record<string, number> = {};
  for (const row of rows) {
    const scale = scaleOf(row);
    const own = names.map((name) => Math.abs(row.numbers[name] ?? 0));
    found[scale] = Math.max(found[scale] ?? 1e-12, ...own);
  }
  return found;
}

/** Whose bars have one scale. */
export function scaleOf(row: Row): string {
  return row.through === null ? '' : wayOf(row);
}

/** The component that a node is of, where it has a page. */
export function componentOf(row: Pick<Row, 'id' | 'kind'>): string | null {
  if (['bias', 'latent_bias', 'error', 'stream'].includes(row.kind) || row.id.endsWith('*'))
    return null;
  return row.id.split('@')[0] ?? null;
}

/** The components of the first rows, each once; tokens, which write what they always do, are none. */
export function componentsOf(rows: readonly Pick<Row, 'id' | 'kind'>[], most: number): string[] {
  const found = new Set<string>();
  for (const row of rows) {
    const component = row.kind === 'embed' ? null : componentOf(row);
    if (component !== null && parseTarget(component)) found.add(component);
    if (found.size === most) break;
  }
  return [...found];
}
