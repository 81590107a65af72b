/** A trail as a request, and its answer as one side of the table. */
import type { Schemas } from '../../shared/api/client';
import type { Attribution } from './attributionState';
import { stepOf, trailOf } from './trail';

type Trace = Schemas['Trace'];
type Comparison = Schemas['AttributionComparison'];
type Side = Comparison['baseline'];
type Body = Schemas['TraceRequest'];

type Asked = Pick<Attribution, 'trace' | 'frozen' | 'pairs' | 'sort_by' | 'measured'>;
/** A reader as a row of the table. */
export type ReaderNode = Side['rows'][number] & {
  through: Schemas['Reader']['through'];
  value: number;
};

/** Of the last step; those before it that go the same way are the trail. */
export function traceBody({ trace, frozen, pairs, sort_by, measured }: Asked) {
  const { node, through, down } = stepOf(trace.at(-1) ?? '');
  const trail = trailOf(trace).map((one) => one.replace(/:down$/, ''));
  const asked = {
    node,
    ...(through ? { through } : {}),
    ...(trail.length > 0 ? { trail } : {}),
  };
  if (down)
    return { ...asked, direction: 'downstream', ...(measured ? { measured } : {}) } as const;
  return {
    ...asked,
    ...(frozen === 'all' ? { frozen } : {}),
    ...(pairs ? {} : { pairs }),
    ...(sort_by === 'total' || sort_by === 'measured' ? {} : { sort_by }),
  } satisfies Partial<Body>;
}

/** A trace as the table shows an attribution: sums are over all ways in. */
export function tracedSide(trace: Trace): Side | null {
  if (trace.direction === 'downstream') return readersSide(trace);
  const [first, ...more] = trace.parts;
  if (!first) return null;
  const side = { ...first, objective: trace.words, value: trace.value, cost: trace.cost };
  const parts = [first, ...more];
  return {
    ...side,
    rows: trace.rows,
    n_nodes: Math.max(...parts.map(({ n_nodes }) => n_nodes)),
    components: summedComponents(parts),
    at_positions: first.at_positions.map((_, at) => summedAt(parts, at)),
  };
}

/** Readers as the table shows nodes: they have no sums. */
function readersSide(trace: Trace): Side {
  const rows: ReaderNode[] = trace.readers.map((one) => ({
    ...one,
    activation: null,
    write: 0,
    direct: null,
    total: one.effect,
  }));
  return {
    ...{ objective: trace.words, value: trace.value, position: 0, tokens: trace.tokens },
    ...{ frozen: 'all', estimator: 'gradient', against: 'zero', method: 'frozen' },
    ...{ cost: trace.cost, n_nodes: rows.length, completeness: null, token_totals: [], rows },
    ...{ verification: null, notes: [], provenance: trace.provenance, bound: null },
    ...{ components: [], at_positions: [], warnings: [] },
  };
}

export function tracedSides({ baseline, edited }: Schemas['TraceComparison']): Comparison | null {
  const own = tracedSide(baseline);
  return own && { baseline: own, edited: edited && tracedSide(edited), unlisted: {} };
}

function summedComponents(parts: readonly Side[]): Side['components'] {
  const found = new Map<string, Side['components'][number]>();
  for (const one of parts.flatMap(({ components }) => components)) {
    const before = found.get(one.name);
    found.set(one.name, {
      ...one,
      total: one.total + (before?.total ?? 0),
      direct: plus(one.direct, before?.direct),
    });
  }
  return [...found.values()];
}

function summedAt(parts: readonly Side[], at: number): Side['at_positions'][number] {
  const there = parts.map((part) => part.at_positions[at]);
  const sum = (name: 'embedding' | 'heads' | 'neurons' | 'others') =>
    there.reduce((total, one) => total + (one?.[name] ?? 0), 0);
  return {
    embedding: sum('embedding'),
    heads: sum('heads'),
    neurons: sum('neurons'),
    others: sum('others'),
    looked_at: there.reduce<number | null>((total, one) => plus(one?.looked_at, total), null),
  };
}

/** Null where neither is a number. */
function plus(one: number | null | undefined, other: number | null | undefined): number | null {
  return one == null ? (other ?? null) : one + (other ?? 0);
}
