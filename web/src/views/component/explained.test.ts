import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../shared/api/corpora';
import { scoresOf } from './explained';

const item = {
  density: 0.0123,
  held_out: { f1: 0.5, low: 0.412, high: 0.6, precision: 0.75, recall: 0.375, auc: 0.9 },
  shuffled: { high: 0.031 },
  searched: { high: 0.078 },
} as unknown as Explanation;

describe('the scores of a label', () => {
  it('stand beside the larger of what chance gives', () => {
    expect(scoresOf(item).map(([name, said]) => `${name} ${said}`)).toEqual([
      'F1 0.50 (0.41–0.60)',
      'by chance up to 0.08',
      'precision 0.75',
      'recall 0.38',
      'AUC 0.90',
      'active 1.2 %',
    ]);
  });

  it('are none where there is no label', () => {
    expect(scoresOf({ ...item, held_out: null })).toEqual([]);
  });
});
