import { describe, expect, it } from 'vitest';
import {
  readingRows,
  sameReading,
  type Predictions,
  type Reading,
} from '../../shared/text/predictions';
import {
  branchOf,
  partRows,
  sameUpdates,
  scoreBound,
  shortName,
  shownSides,
  updatesTable,
  type BranchUpdates,
  type Update,
} from './updates';
import { percent } from '../../draw/format';

function part(node: string, score: number): Update {
  const effect = { token: { id: 1, text: ' a', label: '␣a', special: false }, logit: 2 };
  return {
    node,
    activation: score / 2,
    norm: Math.abs(score),
    score,
    share: score / 10,
    promotes: [effect, effect],
    suppresses: [],
    attributed: null,
  };
}

function branch(...shown: Update[]): BranchUpdates {
  return { added_norm: 3, explained: 0.5, shown, bias: null, rest: part('rest', 1), reason: null };
}

const BEFORE = branch(part('L0.N1', -4), part('L0.N2', 3));
const AFTER = { ...branch(part('L0.N3', 5), part('L0.N2', 2.5)), bias: part('bias', 9) };

describe('the parts of a layer', () => {
  it('are listed once for both runs, the largest of either first, biases and the rest last', () => {
    const rows = partRows({ baseline: BEFORE, edited: AFTER });
    expect(rows.map((row) => row.node)).toEqual(['L0.N3', 'L0.N1', 'L0.N2', 'bias', 'rest']);
    expect(rows.map((row) => [row.baseline?.score, row.edited?.score])).toEqual([
      [undefined, 5],
      [-4, undefined],
      [3, 2.5],
      [undefined, 9],
      [1, 1],
    ]);
  });

  it('bound what a run does not list by the smallest that it does', () => {
    expect(scoreBound(BEFORE)).toBe(3);
    expect(scoreBound(branch())).toBeNull();
    expect(scoreBound(null)).toBeNull();
  });

  it('are the same where no edit reaches them', () => {
    expect(sameUpdates({ baseline: BEFORE, edited: structuredClone(BEFORE) })).toBe(true);
    expect(sameUpdates({ baseline: BEFORE, edited: AFTER })).toBe(false);
    expect(sameUpdates({ baseline: BEFORE, edited: null })).toBe(false);
    const unknown = { reason: 'its token mixer is not attention' };
    expect(sameUpdates({ baseline: unknown, edited: unknown })).toBe(false);
  });

  it('show one run or both', () => {
    const both = { baseline: BEFORE, edited: AFTER };
    expect(shownSides(both, 'difference')).toEqual(both);
    expect(shownSides(both, 'baseline').edited).toBeNull();
    expect(shownSides(both, 'edited').baseline).toBeNull();
    expect(shownSides({ baseline: BEFORE, edited: null }, 'edited').baseline).toBe(BEFORE);
  });

  it('are named without their layer where the row says it', () =>
    expect(['L12.N5', 'L9.H6', 'rest'].map(shortName)).toEqual(['N5', 'H6', 'rest']));

  it('make a table with one line each', () => {
    const layer = { layer: 0, neurons: BEFORE, heads: null, heads_reason: 'it has none' };
    const sides = { baseline: { layers: [{ layer: 0 }], updates: { layers: [layer] } } };
    const data = sides as unknown as Predictions;
    expect(branchOf(data, 0, 'neurons').baseline).toEqual(BEFORE);
    expect(branchOf(data, 0, 'heads').baseline).toEqual({ reason: 'it has none' });
    expect(branchOf(data, 1, 'neurons').baseline).toBeNull();
    expect(branchOf(null, 0, 'neurons').baseline).toBeNull();
    const lines = updatesTable(data);
    expect(lines.map((line) => line[3])).toEqual(['node', 'L0.N1', 'L0.N2', 'rest']);
    expect(lines[1]).toEqual(['baseline', 0, 'neurons', 'L0.N1', -2, -4, 4, -0.4, ' a |  a', '']);
  });
});

function reading(...tokens: Array<[id: number, probability: number]>): Reading {
  return {
    top: tokens.map(([id, probability]) => ({
      token: { id, text: String(id), label: String(id), special: false },
      probability,
      logit: Math.log(probability),
    })),
    entropy: 1,
    kl_to_final: 0,
    target: null,
    distractor: null,
    objective: null,
  };
}

describe('two readings of one state', () => {
  const [before, after] = [reading([1, 0.6], [2, 0.3]), reading([3, 0.7], [1, 0.1])];

  it('list the likelier of both first, as many as one side lists', () => {
    const rows = readingRows(before, after);
    expect(rows.map((row) => [row.token.id, row.baseline, row.edited])).toEqual([
      [3, null, 0.7],
      [1, 0.6, 0.1],
    ]);
    expect(readingRows(before, null).map((row) => row.token.id)).toEqual([1, 2]);
  });

  it('are the same only where every number is', () => {
    expect(sameReading(before, reading([1, 0.6], [2, 0.3]))).toBe(true);
    expect(sameReading(before, reading([1, 0.6], [2, 0.300001]))).toBe(false);
  });
});

describe('shares', () => {
  it('have a digit after the point where it matters', () =>
    expect([0.531, 0.0123, -0.031, -0.0001, 1].map(percent)).toEqual([
      '53 %',
      '1.2 %',
      '−3.1 %',
      '0.0 %',
      '100 %',
    ]));
});
