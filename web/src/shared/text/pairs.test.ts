import { describe, expect, it } from 'vitest';
import { ownPairs, writePairs, type Pair } from './pairs';
import { pastedPairs, readPairs } from './pairsFile';

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
    const told = (text: string, name: string) => {
      const read = readPairs(text, name);
      return Array.isArray(read) ? '' : read.problems.join('\n');
    };
    expect(told('clean,corrupted,answer\na,b,c', 'a.csv')).toContain('“wrong”');
    expect(told('clean,corrupted,answer,wrong\na,b,c', 'a.csv')).toContain('Row 2');
    expect(told('clean,corrupted,answer,wrong\n"a,b,c,d', 'a.csv')).toContain('quotation');
    expect(told('{"clean": 1}', 'a.jsonl')).toContain('Line 1');
    expect(told('clean,corrupted,answer,wrong\n', 'a.csv')).toContain('no pairs');
    const row = JSON.stringify({ ...PAIR, clean: 'x'.repeat(1000) });
    expect(told(`${row}\n`.repeat(900), 'a.jsonl')).toContain('too long for a link');
    expect(told(`${JSON.stringify(PAIR)}\n`.repeat(1001), 'a.jsonl')).toContain('1,001 pairs');
  });
});

describe('pairs that are pasted', () => {
  const two: Pair[] = [
    { clean: 'a, b', corrupted: 'c', answer: ' x', wrong: ' y' },
    { clean: 'd', corrupted: 'e', answer: ' z', wrong: ' w' },
  ];

  it('are four columns of a spreadsheet, or named as the page names them', () => {
    expect(pastedPairs('a, b\tc\t x\t y\nd\te\t z\t w\n')).toEqual(two);
    expect(
      pastedPairs('contrast\tprompt\ttarget\tdistractor\nc\ta, b\t x\t y\ne\td\t z\t w'),
    ).toEqual(two);
    expect(pastedPairs('"a, b",c, x, y\nd,e, z, w')).toEqual(two);
  });

  it('are JSON lines', () => {
    const lines = two.map(({ clean, corrupted, answer, wrong }) =>
      JSON.stringify({ prompt: clean, contrast: corrupted, target: answer, distractor: wrong }),
    );
    expect(pastedPairs(lines.join('\n'))).toEqual(two);
  });

  it('say what is wrong in each row', () => {
    const table = 'clean\tcorrupted\tanswer\twrong\na\tb\t c\t d\na\tb\t c\n\tb\t c\t d';
    expect(pastedPairs(table)).toEqual({
      problems: [
        'Row 3 has no “wrong”: fewer columns than the first.',
        'Row 4 has an empty “clean”.',
      ],
    });
    expect(pastedPairs('{"clean": 1}\n{"a\n')).toEqual({
      problems: ['Line 1 has not clean, corrupted, answer, wrong.', 'Line 2 is no JSON.'],
    });
  });
});
