import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FitText } from './fitText';
import { drawnTokens, span, stretches } from './strip';
import {
  fittingWidth,
  keepInPlace,
  overviewWidth,
  roundWidth,
  rowHeight,
  scrollTo,
  stepWidth,
  tickStep,
} from './zoom';

describe('zooming', () => {
  it('gives every token one width, readable where it can', () => {
    expect([fittingWidth(5, 1200), fittingWidth(12, 1200), fittingWidth(4096, 1200)]).toEqual([
      144, 100, 72,
    ]);
    expect([stepWidth(72, 1), stepWidth(72, -1), stepWidth(200, 1), stepWidth(1, -1)]).toEqual([
      96, 48, 200, 1,
    ]);
  });

  it('shows a whole prompt of a thousand tokens', () => {
    const width = overviewWidth(1024, 1200);
    expect(width * 1024).toBeLessThanOrEqual(1200);
    expect(width * 1024).toBeGreaterThan(1150);
  });

  it('keeps what is under the pointer under it', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 5000, noNaN: true }),
        fc.double({ min: 0, max: 1200, noNaN: true }),
        fc.double({ min: 1, max: 200, noNaN: true }),
        fc.double({ min: 1, max: 200, noNaN: true }),
        (scroll, at, before, after) => {
          const moved = keepInPlace(scroll, at, before, after);
          if (moved > 0) expect((moved + at) / after).toBeCloseTo((scroll + at) / before, 6);
        },
      ),
    );
  });

  it('moves in steps too small to see, that two decimals can say', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 200, noNaN: true }), (width) => {
        const rounded = roundWidth(width);
        expect(Math.abs(rounded / width - 1)).toBeLessThan(0.015);
        expect(Number(rounded.toFixed(2))).toBe(rounded);
        expect(roundWidth(rounded)).toBe(rounded);
      }),
    );
  });

  it('gives rows the height of text where there is text, and shrinks them to fit where not', () => {
    expect(rowHeight(72, 97, 400)).toBe(24);
    expect(rowHeight(2, 48, 480)).toBe(10);
    expect(rowHeight(2, 10, 480)).toBe(24);
    expect(rowHeight(2, 1000, 480)).toBe(2);
    const heights = [2, 14, 18, 22, 26, 30].map((width) => rowHeight(width, 48, 480));
    expect(heights).toEqual(heights.toSorted((a, b) => a - b));
  });

  it('scrolls a range to the middle where it fits, to its first token where not', () => {
    expect(scrollTo(100, 109, 10, 500)).toBe(800);
    expect(scrollTo(100, 199, 10, 500)).toBe(1000);
    expect(scrollTo(0, 1, 10, 500)).toBe(0);
  });
});

describe('the strip', () => {
  it('draws the tokens in the window and the chosen one', () => {
    const { tokens, ticks } = drawnTokens(1000, 50, 5000, 500, 3);
    expect(tokens).toContain(100);
    expect(tokens).toContain(3);
    expect(tokens.length).toBeLessThan(25);
    expect(ticks).toEqual([]);
  });

  it('draws even numbers where tokens are too narrow', () => {
    const { tokens, ticks } = drawnTokens(1000, 2, 0, 500, 7);
    expect(tokens).toEqual([7]);
    expect(ticks.slice(0, 3)).toEqual([0, 50, 100]);
    expect([72, 5, 1].map((width) => tickStep(width, 56))).toEqual([1, 20, 100]);
  });

  it('takes a range in either direction, and knows its stretches', () => {
    expect(span(5, 3)).toEqual([3, 4, 5]);
    expect(stretches([3, 4, 5, 9])).toEqual([
      [3, 5],
      [9, 9],
    ]);
  });
});

describe('text in cells', () => {
  const fitter = () => new FitText((text) => [...text].length * 7, '11px');
  const shown = (text: string) => text.replaceAll(/[\u2068\u2069]/g, '');

  it('is cut where it is too long', () => {
    const fit = fitter();
    expect(shown(fit.fit('capital', 50, false))).toBe('capital');
    expect(shown(fit.fit('capital', 30, false))).toBe('cap…');
  });

  it('is left out where nothing of it fits, and numbers are never cut', () => {
    expect(fitter().fit('capital', 8, false)).toBe('');
    expect(fitter().fit('0.751', 34, true)).toBe('');
  });

  it('never exceeds its room', () => {
    const fit = fitter();
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 0, max: 200 }),
        (text, room) => {
          expect([...shown(fit.fit(text, room, false))].length * 7).toBeLessThanOrEqual(room);
        },
      ),
    );
  });
});
