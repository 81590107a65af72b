/** The attributions of two prompts as one comparison, their tokens beside each other. */
import { align } from '../../shared/text/align';
import { withPairs, type Pair } from './pairing';
import type { Comparison } from './query';
import type { Node, Token } from './rows';

/** With its position in the other prompt. */
export type Placed = Node & { other?: number };
type Side = Comparison['baseline'];
type Sums = Side['at_positions'][number];

/** Marks a position of the other prompt that has no partner in this one. */
export const OTHER = '′';
const NOTHING: Sums = { embedding: 0, heads: 0, neurons: 0, others: 0, looked_at: null };

/** Columns that both have: those of the own prompt, then the others' without a partner. */
export interface Beside {
  tokens: Token[];
  /** Of each position of the other prompt. */
  columns: readonly number[];
  /** How many of the other prompt have no partner. */
  alone: number;
}

export function besideOf(
  own: readonly Token[],
  other: readonly Token[],
  pairs: readonly Pair[] = [],
): Beside {
  const alike = align(
    own.map(({ id }) => id),
    other.map(({ id }) => id),
  );
  const partners = withPairs(alike, pairs, own.length);
  let next = own.length;
  const columns = partners.map((partner) => partner ?? next++);
  const back = new Map(columns.map((column, at) => [column, other[at]]));
  const tokens = Array.from({ length: next }, (_, at): Token => {
    const [mine, theirs] = [own[at], back.get(at)];
    if (mine && theirs && mine.id !== theirs.id)
      return { ...mine, label: `${mine.label} / ${theirs.label}` };
    if (mine) return mine;
    return theirs ? { ...theirs, label: `${theirs.label}${OTHER}` } : NO_TOKEN;
  });
  return { tokens, columns, alone: next - own.length };
}

const NO_TOKEN: Token = { id: -1, text: '', label: '', special: true };

/** Both in the columns of `besideOf`. A token that one of them has not does nothing there. */
export function compared(own: Side, other: Side, pairs: readonly Pair[] = []): Comparison {
  const { tokens, columns } = besideOf(own.tokens, other.tokens, pairs);
  const column = (at: number) => columns[at] ?? at;
  const sums = tokens.map((): Sums => NOTHING);
  for (const [at, one] of other.at_positions.entries()) sums[column(at)] = one;
  return {
    baseline: {
      ...own,
      tokens,
      at_positions: tokens.map((_, at) => own.at_positions[at] ?? NOTHING),
    },
    edited: {
      ...other,
      tokens,
      position: column(other.position),
      at_positions: sums,
      rows: other.rows.map((node) => moved(node, column, own.tokens.length)),
    },
    unlisted: {},
  };
}

/** Under the name that it has in the own prompt; with a mark where that has no such token. */
function moved(node: Node, column: (at: number) => number, own: number): Placed {
  const name = (at: number) => (column(at) < own ? String(column(at)) : `${at}${OTHER}`);
  const key = node.key ?? null;
  const [component = node.name] = node.name.split('@');
  const looks = key === null ? '' : `<${name(key)}`;
  return {
    ...node,
    name: node.name.includes('@') ? `${component}@${name(node.position)}${looks}` : node.name,
    position: column(node.position),
    other: node.position,
    key: key === null ? null : column(key),
  };
}
