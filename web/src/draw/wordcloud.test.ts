import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { covers, layoutCloud } from './wordcloud';

const words = fc
  .array(
    fc.record({
      text: fc.string({ minLength: 1, maxLength: 14 }),
      weight: fc.double({ min: 0.1, max: 9, noNaN: true }),
    }),
    { maxLength: 50 },
  )
  .map((list) => list.toSorted((a, b) => b.weight - a.weight));
const box = fc.record({
  width: fc.integer({ min: 120, max: 900 }),
  height: fc.integer({ min: 80, max: 500 }),
});
const measure = (text: string) => 0.6 * text.length;

describe('a word cloud', () => {
  it('covers no word with another, and keeps all of them inside', () => {
    fc.assert(
      fc.property(words, box, (list, room) => {
        const { placed } = layoutCloud(list, room, measure);
        placed.forEach((one, at) => {
          expect(one.x - one.width / 2).toBeGreaterThanOrEqual(-1e-9);
          expect(one.x + one.width / 2).toBeLessThanOrEqual(room.width + 1e-9);
          expect(one.y - one.height / 2).toBeGreaterThanOrEqual(-1e-9);
          expect(one.y + one.height / 2).toBeLessThanOrEqual(room.height + 1e-9);
          for (const other of placed.slice(at + 1)) expect(covers(one, other)).toBe(false);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('is the same picture each time, and says what it leaves out', () => {
    fc.assert(
      fc.property(words, box, (list, room) => {
        const cloud = layoutCloud(list, room, measure);
        expect(layoutCloud(list, room, measure)).toEqual(cloud);
        expect(cloud.placed.length + cloud.left).toBe(list.length);
      }),
      { numRuns: 20 },
    );
  });

  it('makes words as large as their weights say, and puts the first in the middle', () => {
    const list = [
      { text: 'music', weight: 4 },
      { text: 'album', weight: 3 },
      { text: 'song', weight: 2 },
    ];
    const { placed, left } = layoutCloud(list, { width: 400, height: 200 }, measure);
    expect(left).toBe(0);
    expect([placed[0]?.x, placed[0]?.y]).toEqual([200, 100]);
    const sizes = placed.map((word) => word.size);
    expect((sizes[1] ?? 0) / (sizes[0] ?? 1)).toBeCloseTo(0.75);
    expect((sizes[2] ?? 0) / (sizes[0] ?? 1)).toBeCloseTo(0.5);
  });

  it('has no picture of nothing', () => {
    expect(layoutCloud([], { width: 100, height: 100 }, measure)).toEqual({ placed: [], left: 0 });
    const none = [{ text: 'a', weight: 0 }];
    expect(layoutCloud(none, { width: 100, height: 100 }, measure).left).toBe(1);
  });
});
