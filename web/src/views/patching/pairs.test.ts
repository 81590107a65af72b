import { describe, expect, it } from 'vitest';
import { ownPairs, writePairs, type Pair } from './pairs';
import { readPairs } from './pairsFile';
import type { Study } from './query';
import { gridOf, studySentence, studyTable } from './study';

const PAIR: Pair = { clean: 'a, b', corrupted: 'a "c"\nd', answer: ' x', wrong: 5 };

describe('pairs of a file', () => {
  it('are read from CSV, in any order of columns, with quotes', () => {
    const csv =
      '\ufeffwrong,clean,answer,corrupted,note\r\n" y","a, b"," x","a ""c""\nd",1\r\n b,c, d,e,\n';
    expect(readPairs(csv, 'a.csv')).toEqual([
      { ...PAIR, wrong: ' y' },
      { clean: 'c', corrupted: 'e', answer: ' d', wrong: ' b' },
    ]);
  });

  it('are read from JSON lines, where a number is a token id', () => {
    expect(readPairs(`${JSON.stringify({ ...PAIR, more: 1 })}\n\n`, 'a.jsonl')).toEqual([PAIR]);
  });

  it('go through the address', () => {
    expect(ownPairs(writePairs([PAIR]))).toEqual([PAIR]);
    expect([ownPairs('['), ownPairs('[["a"]]'), ownPairs('')]).toEqual([[], [], []]);
  });

  it('say what is wrong, and where', () => {
    expect(readPairs('clean,corrupted,answer\na,b,c', 'a.csv')).toContain('“wrong”');
    expect(readPairs('clean,corrupted,answer,wrong\na,b,c', 'a.csv')).toContain('Row 2');
    expect(readPairs('clean,corrupted,answer,wrong\n"a,b,c,d', 'a.csv')).toContain('quotation');
    expect(readPairs('{"clean": 1}', 'a.jsonl')).toContain('Line 1');
    expect(readPairs('clean,corrupted,answer,wrong\n', 'a.csv')).toContain('no pairs');
    const row = JSON.stringify({ ...PAIR, clean: 'x'.repeat(1000) });
    expect(readPairs(`${row}\n`.repeat(900), 'a.jsonl')).toContain('too long for a link');
    expect(readPairs(`${JSON.stringify(PAIR)}\n`.repeat(1001), 'a.jsonl')).toContain('1,001 pairs');
  });
});

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
