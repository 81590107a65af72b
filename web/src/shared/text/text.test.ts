import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toCsv } from '../../draw/csv';
import {
  duration,
  figures,
  logit,
  nats,
  probability,
  quantity,
  rank,
  signed,
} from '../../draw/format';
import { cellAt, type Frame } from '../../draw/heatgrid';
import { quote } from './options';
import { readSpaces, shorten, showSpaces } from '../../draw/tokens';

describe('tokens', () => {
  it('show white space, and give it back', () => {
    expect(showSpaces(' a\n\t')).toBe('␣a↵⇥');
    fc.assert(
      fc.property(fc.string(), (text) => void expect(readSpaces(showSpaces(text))).toBe(text)),
    );
  });

  it('are shortened between characters, not inside one', () =>
    expect(shorten('👩‍🚀abc', 2)).toBe('👩…'));
});

describe('numbers', () => {
  it('have the digits that matter', () => {
    expect([0.7512, 0.0123, 0.0004, 3.2e-9, 1e-40, 0, 1].map(probability)).toEqual([
      '0.751',
      '0.012',
      '4e−4',
      '3e−9',
      '<1e−9',
      '0',
      '1.000',
    ]);
    expect([1, 42, 12_345, 2_000_000].map(rank)).toEqual(['#1', '#42', '#12k', '#2.0M']);
    expect([0, 1e-14, 1.234].map(nats)).toEqual(['0.00', '0.00', '1.23']);
    expect([17.26, -4.1, -0.01].map(logit)).toEqual(['17.3', '−4.1', '0.0']);
    expect([0, 0.001, 1.234, 12.34, -123.4].map(quantity)).toEqual([
      '0.00',
      '1e−3',
      '1.23',
      '12.3',
      '−123',
    ]);
    expect([2709.4, -1.283, 0.01234, -0.0000412, 0, 999.7].map(figures)).toEqual([
      '2709',
      '−1.28',
      '0.0123',
      '−4.1e−5',
      '0',
      '1000',
    ]);
    expect([0.5, -0.5, 0.0001].map((value) => signed(value))).toEqual([
      '+0.500',
      '−0.500',
      '±0.000',
    ]);
    expect([0.2, 42, 300].map(duration)).toEqual(['under 1 s', '42 s', '5 min']);
  });
});

describe('numbers that there are none of', () => {
  it('are a dash', () =>
    expect([probability(Number.NaN), logit(Number.NaN), nats(Number.NaN), rank(0)]).toEqual([
      '–',
      '–',
      '–',
      '–',
    ]));
});

describe('files', () => {
  it('quote what CSV must quote, and disarm formulas', () => {
    expect(toCsv([['a,b', '"', 1.5, null, '=1+1', '\n']])).toBe(
      '\uFEFF"a,b","""",1.5,,\'=1+1,"\n"\r\n',
    );
  });
});

describe('Python', () => {
  it('quotes any text', () =>
    expect(quote('\u0000\u2028"\\é😀')).toBe('"\\u0000\u2028\\"\\\\é😀"'));
});

describe('the grid', () => {
  const frame: Frame = {
    cellWidth: 10,
    rowHeight: 20,
    scrollX: 5,
    scrollY: 0,
    width: 100,
    height: 100,
    ratio: 1,
  };

  it('knows the cell under the pointer', () => {
    expect(cellAt(frame, 3, 8, 0, 0)).toEqual({ row: 0, column: 0 });
    expect(cellAt(frame, 3, 8, 5, 59)).toEqual({ row: 2, column: 1 });
    expect(cellAt(frame, 3, 8, 76, 0)).toBeNull();
    expect(cellAt(frame, 3, 8, 0, 60)).toBeNull();
  });
});
