/** A trail as a request, and its answer as one side of the table. */
import type { Schemas } from '../../shared/api/client';
import type { Attribution } from './attributionState';
import { stepOf } from './trail';

type Trace = Schemas['Trace'];
type Comparison = Schemas['AttributionComparison'];
type Side = Comparison['baseline'];
type Body = Schemas['TraceRequest'];

type Asked = Pick<Attribution, 'trace' | 'frozen' | 'pairs' | 'sort_by'>;

/** Of the last step; those before it are the trail. */
export function traceBody({ trace, frozen, pairs, sort_by }: Asked) {
  const { node, through } = stepOf(trace.at(-1) ?? '');
  return {
    node,
    ...(through ? { through } : {}),
    ...(trace.length > 1 ? { trail: trace.slice(0, -1) } : {}),
    ...(frozen === 'all' ? { frozen } : {}),
    ...(pairs ? {} : { pairs }),
    ...(sort_by === 'total' || sort_by === 'measured' ? {} : { sort_by }),
  } satisfies Partial<Body>;
}

/** A trace as the table shows an attribution: sums are over all ways in. */
export function tracedSide(trace: Trace): Side | null {
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
