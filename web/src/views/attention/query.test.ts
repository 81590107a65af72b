import { describe, expect, it } from 'vitest';
import type { Attention } from '../../draw/attention/data';
import { onlyHeads } from './query';

const side = (heads: number): Attention['baseline'] => ({
  tokens: { query: [], key: [] },
  queries: [0, 1],
  rowOf: Int32Array.of(0, 1),
  segments: [],
  values: Float32Array.from({ length: heads * 4 }, (_, at) => at),
  combined: new Float32Array(4),
  sink: null,
  edges: { rows: new Uint32Array(), keys: new Uint32Array(), values: new Float32Array(), all: 0 },
  sent: Float32Array.from({ length: heads * 2 }, (_, at) => at),
  received: Float32Array.from({ length: heads * 2 }, (_, at) => -at),
});

describe('an answer', () => {
  it('keeps the heads that were picked of all that were asked for', () => {
    const whole = {
      meta: { heads: ['L1.H0', 'L1.H1', 'L3.H0'], weights: [1, 0, 2] },
      baseline: side(3),
      edited: null,
    } as unknown as Attention;
    const { meta, baseline } = onlyHeads(whole, new Set(['L1.H0', 'L3.H0']));
    expect(meta.heads).toEqual(['L1.H0', 'L3.H0']);
    expect(meta.weights).toEqual([1, 2]);
    expect([...(baseline.values ?? [])]).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
    expect([...baseline.sent]).toEqual([0, 1, 4, 5]);
    expect(onlyHeads(whole, new Set(whole.meta.heads))).toBe(whole);
  });
});
