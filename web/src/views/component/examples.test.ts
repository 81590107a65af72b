import { describe, expect, it } from 'vitest';
import { groupsOf, stretchesOf, type Example } from './examples';

const token = (position: number, start: number | null, end: number | null) => ({
  position,
  start,
  end,
});
const example = {
  group: 'top',
  quantile: null,
  text: '😀 a cat',
  position: 2,
  tokens: [token(0, null, null), token(1, 0, 1), token(2, 0, 1), token(3, 2, 3), token(4, 4, 7)],
  values: [9, -3, 2, 0, 1],
} as unknown as Example;

describe('an example of a node in a corpus', () => {
  it('keeps its text, and of the bytes of one character the strongest', () => {
    const found = stretchesOf(example);
    expect(found.map(({ text }) => text).join('')).toBe(example.text);
    expect(found.map(({ value }) => value)).toEqual([-3, null, 0, null, 1]);
    expect(found.map(({ match }) => match)).toEqual([true, false, false, false, false]);
  });

  it('says where a head looks from the match', () => {
    const found = stretchesOf({ ...example, attended: 4, attention: 0.5 });
    expect(found.map(({ attended }) => attended)).toEqual([false, false, false, false, true]);
    expect(stretchesOf(example).some(({ attended }) => attended)).toBe(false);
  });

  it('stands under its group', () => {
    const others = [
      example,
      { ...example, group: 'quantile', quantile: 0.99 },
      { ...example, group: 'random' },
      example,
    ] as Example[];
    expect(groupsOf(others).map(([title, items]) => [title, items.length])).toEqual([
      ['Strongest, one token of each sentence', 2],
      ['Weaker at 99% of the tokens', 1],
      ['At random', 1],
    ]);
  });
});
