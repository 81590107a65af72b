import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { align } from './align';

describe('two prompts side by side', () => {
  it('stand beside themselves in their longest common parts', () => {
    expect(align([2, 5, 7, 9], [2, 5, 8, 9])).toEqual([0, 1, 2, 3]); // as many in between
    expect(align([2, 5, 7, 9], [2, 5, 8, 8, 9])).toEqual([0, 1, null, null, 3]);
    expect(align([1, 2, 3], [2, 3])).toEqual([1, 2]);
    expect(align([1, 2], [3])).toEqual([null]);
    expect(align([], [3])).toEqual([null]);
  });

  it('keep their order, and a token stands beside one', () =>
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 4 }), { maxLength: 12 }),
        fc.array(fc.nat({ max: 4 }), { maxLength: 12 }),
        (first, second) => {
          const places = align(first, second).filter((one) => one !== null);
          expect(places).toEqual([...new Set(places)].toSorted((a, b) => a - b));
          expect(align(first, first)).toEqual(first.map((_, at) => at));
        },
      ),
    ));
});
