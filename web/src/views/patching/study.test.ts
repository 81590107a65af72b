import { describe, expect, it } from 'vitest';
import type { Study } from './query';
import { gridOf, studySentence, studyTable } from './study';

const STUDY = {
  site: 'heads',
  into: 'corrupted',
  layers: [0, 2],
  columns_at: [0, 1],
  tokens: [],
  n_pairs: 3,
  confidence: 0.95,
  rows: [
    [
      [0.5, 0.25, 0.75],
      [null, null, null],
    ],
    [
      [1, null, null],
      [0, -0.5, 0.5],
    ],
  ],
} as unknown as Study;

describe('the mean of many pairs', () => {
  it('is drawn as a grid whose cells are shares', () => {
    expect(gridOf(STUDY)).toMatchObject({
      clean: 1,
      corrupted: 0,
      rows: [
        [0.5, null],
        [1, 0],
      ],
    });
  });

  it('is said with its interval, and is a table', () => {
    expect(studySentence(STUDY, 0, 0)).toBe(
      'layer 0, head 0: 0.500 of the way in the mean, 95 % interval 0.250 to 0.750',
    );
    expect(studySentence(STUDY, 0, 1)).toBe('layer 0, head 1: this layer has no such head');
    expect(studySentence(STUDY, 1, 0)).toBe('layer 2, head 0: 1.000 of the way in the mean');
    expect(studyTable(STUDY)[1]).toEqual([0, 0, 0.5, 0.25, 0.75]);
  });
});
