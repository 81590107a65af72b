/** Attention of two heads on three tokens, as the server writes it. */
import type { components } from '../../api.gen';
import { write, type Part } from '../write';

type Result = components['schemas']['AttentionResult'];

/** Head, query, key: causal. */
export const VALUES = [
  [1, 0, 0, 0.5, 0.5, 0, 0.125, 0.25, 0.625],
  [1, 0, 0, 0.25, 0.75, 0, 0.5, 0.25, 0.25],
];

export function token(id: number, text: string) {
  return { id, text, label: text.replace(' ', '␣'), special: text.startsWith('<') };
}

export function example(
  edited: boolean,
  change: Partial<Result> = {},
  more: Record<string, Part> = {},
  other: Partial<Result> | null = edited ? {} : null,
): ArrayBuffer {
  const side = {
    heads: ['L0.H0', 'L0.H1'],
    queries: [0, 1, 2],
    tokens: [token(0, '<s>'), token(5, 'A'), token(2, ' y')],
    measure: 'attention',
    unit: 'share of attention',
    combine: 'mean',
    weights: [1, 1],
    special: 'shown',
    part: 'self',
    key_tokens: null,
    between: 'all',
    segments: [],
    mass: 0.7,
    provenance: {},
    ...change,
  } as Result;
  const tensors = {
    ...named('baseline', arrays(VALUES)),
    ...(edited ? named('edited', arrays([VALUES[0] ?? [], VALUES[0] ?? []])) : {}),
    ...more,
  };
  const answer = { baseline: side, edited: other && { ...side, ...other } };
  return write(tensors, { attention: JSON.stringify(answer) });
}

function arrays([first = [], second = []]: number[][]): Record<string, Part> {
  const combined = first.map((value, at) => (value + (second[at] ?? 0)) / 2);
  return {
    values: { dtype: 'F32', shape: [2, 3, 3], values: [...first, ...second] },
    combined: { dtype: 'F32', shape: [3, 3], values: combined },
    edge_queries: { dtype: 'U32', shape: [2], values: [0, 1] },
    edge_keys: { dtype: 'U32', shape: [2], values: [0, 1] },
    edge_values: { dtype: 'F32', shape: [2], values: [1, combined[4] ?? 0] },
  };
}

function named(name: string, parts: Record<string, Part>): Record<string, Part> {
  return Object.fromEntries(Object.entries(parts).map(([key, part]) => [`${name}.${key}`, part]));
}
