import { describe, expect, it } from 'vitest';
import { scrolledTo } from './strip';

describe('a column that gets the focus', () => {
  it('is brought in sight by the shortest way', () => {
    expect(scrolledTo(3, 50, 100, 400)).toBe(100); // 150 to 200 is in sight
    expect(scrolledTo(1, 50, 100, 400)).toBe(50);
    expect(scrolledTo(12, 50, 100, 400)).toBe(250);
    expect(scrolledTo(9, 50, 100, 400)).toBe(100);
  });

  it('scrolls nothing where there is no room for it', () => {
    expect(scrolledTo(12, 50, 100, 0)).toBe(100);
  });
});
