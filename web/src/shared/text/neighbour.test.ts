import { describe, expect, it } from 'vitest';
import type { ModelInfo } from '../api/queries';
import { neighbour } from './neighbour';

const MODEL = {
  n_layers: 4,
  n_heads: 2,
  d_mlp: 8,
  attention_layers: [0, 1, 2, 3],
  attached: [{ layer: 1, stem: 'L1.F', n_latents: 5 }],
} as unknown as ModelInfo;

describe('the neighbour of a node', () => {
  it.each([
    ['L1.F3', 1, 'L1.F4'],
    ['L1.F4', 1, null],
    ['L1.F0', -1, null],
    ['L1.N7', 1, null],
    ['L1.N6', 1, 'L1.N7'],
    ['L1.H0', 1, 'L1.H1'],
    ['L1.mlp', -1, 'L0.mlp'],
    ['embed', 1, null],
  ] as const)('%s %i is %s', (node, step, next) => {
    expect(neighbour(node, step, MODEL)).toBe(next);
  });
});
