import { describe, expect, it } from 'vitest';
import type { Explanation } from '../../shared/api/corpora';
import { scoresOf, writtenScores } from './explained';

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

describe('the scores of what was written', () => {
  const judged = {
    n: 20,
    failed: 1,
    balanced_accuracy: 0.75,
    low: 0.6,
    high: 0.9,
    null: { high: 0.65 },
    searched: { high: 0.7 },
  };
  it('stand beside the larger of two nulls, with failures counted', () => {
    const written = {
      simulation: { n: 0, failed: 20, correlation: null },
      detection: judged,
      fuzzing: null,
    } as unknown as NonNullable<Explanation['written']>;
    expect(writtenScores(written).map(([name, said]) => `${name} ${said}`)).toEqual([
      'simulation no score, 20 failed',
      'detection 0.75 (0.60–0.90), chance up to 0.70, 1 failed',
    ]);
  });
});
