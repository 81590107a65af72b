import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutTargets } from './cuts';
import {
  askedHeads,
  formatPicks,
  headName,
  headsOf,
  headsWords,
  parsePicks,
  picksOf,
  picksProblem,
  shifted,
  toggled,
  weighed,
  type HeadPick,
} from './picks';
import { model, read } from './picksExample';
import { headNames } from './scores';

const part = 'self' as const;
const names = (picks: readonly HeadPick[]) => headsOf(picks, model).map(headName);

describe('heads as text', () => {
  it.each([
    ['L1', 'L1'],
    ['l5.h2, L5.H0', 'L5.H0,L5.H2'],
    ['3 L1H0', 'L1.H0,L3'],
    ['L1.H0*0.5', 'L1.H0*0.5'],
    ['L1.H0×−2', 'L1.H0*-2'],
    ['L1.H0*2, L1.H0*3', 'L1.H0*3'],
    ['L2.X, l1.x2*0.5', 'L1.X2*0.5,L2.X'],
    ['E2 e1h0', 'E1.H0,E2'],
  ])('%j is %j', (typed, written) => {
    expect(formatPicks(read(typed))).toBe(written);
    expect(parsePicks(written)).toEqual(parsePicks(typed));
  });

  it.each([
    '',
    ' , ',
    'E1.X',
    'E1.N2',
    'L1.N2',
    'L1.H2@3',
    'L1.H1*',
    'L1.H1*x',
    'L1.H1*1*2',
    'embed',
    'L1.attn',
  ])('%j names no head', (typed) => expect(parsePicks(typed)).toBeNull());

  it('says what the model does not have', () => {
    expect(picksProblem('L2', model)).toContain('layers 1, 3, 5 have');
    expect(picksProblem('L1.H3', model)).toContain('heads 0–2');
    expect(picksProblem('nonsense', model)).toContain('L5.H1');
    expect(picksProblem('L1.H2, L3', model)).toBeNull();
  });
});

describe('heads as a set', () => {
  it('are all of the layer in the middle where none is picked, or none is there', () => {
    expect(names([])).toEqual(['L3.H0', 'L3.H1', 'L3.H2']);
    expect(names(read('L2, L1.H7'))).toEqual(['L3.H0', 'L3.H1', 'L3.H2']);
  });

  it('come and go one by one, and the last one stays', () => {
    const two = toggled(read('L3'), model, { part, layer: 3, head: 1 });
    expect(formatPicks(two)).toBe('L3.H0,L3.H2');
    expect(formatPicks(toggled(two, model, { part, layer: 3, head: 1 }))).toBe('L3');
    expect(formatPicks(toggled(two, model, { part, layer: 1, head: 2 }))).toBe('L1.H2,L3.H0,L3.H2');
    const one = read('L3.H0');
    expect(toggled(one, model, { part, layer: 3, head: 0 })).toEqual(one);
  });

  it('have weights of their own', () => {
    expect(formatPicks(weighed(read('L3'), model, { part, layer: 3, head: 1 }, 0.5))).toBe(
      'L3.H0,L3.H1*0.5,L3.H2',
    );
  });

  it('move over the layers that have attention alone, and stay in the model', () => {
    expect(formatPicks(shifted(read('L1.H2*2'), model, 1) ?? [])).toBe('L3.H2*2');
    expect(shifted(read('L1, L5'), model, 1)).toBeNull();
  });

  it('are the same in few letters', () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(1, 3, 5), fc.nat({ max: 2 })), { minLength: 1 }),
        (pairs) => {
          const heads = headsOf(
            pairs.map(([layer, head]) => ({ part, layer, head, weight: 1 })),
            model,
          );
          expect(headsOf(picksOf(heads, model), model)).toEqual(heads);
        },
      ),
    ));

  it('are said in few words', () => {
    const words = (text: string) => headsWords(headsOf(read(text), model), model);
    expect(words('L3')).toBe('L3, all 3');
    expect(words('L3.H1')).toBe('L3.H1');
    expect(words('L3.H0, L3.H1')).toBe('L3.H0 L3.H1');
    expect(words('L3.H0, L1.H1')).toBe('2 heads of 2 layers');
  });
});

describe('heads of a model that reads a source', () => {
  const reader = { heads: { self: [2, 2], cross: [2, 2], encoder: [2, 2, 2] } };

  it('are of one part at a time, which the question names', () => {
    const cross = headsOf(read('L1.X, E2'), reader);
    expect(cross.map(headName)).toEqual(['L1.X0', 'L1.X1']);
    expect(askedHeads(cross, reader)).toEqual({
      part: 'cross',
      layers: [1],
      heads: null,
      weights: null,
    });
    expect(headsOf(read('E2.H1'), reader).map(headName)).toEqual(['E2.H1']);
    expect(formatPicks(shifted(read('E1'), reader, 1) ?? [])).toBe('E2');
    expect(headNames(reader, 'encoder')).toHaveLength(6);
    expect(picksProblem('L1.X, E2', reader)).toContain('one kind');
  });

  it('are no heads of another one', () => {
    expect(picksProblem('L1.X0', model)).toContain('no encoder');
    expect(headsOf(read('E0'), model).map(headName)).toEqual(['L3.H0', 'L3.H1', 'L3.H2']);
  });
});

describe('heads of layers that differ', () => {
  const uneven = { heads: { self: [2, 4, 0] } };
  const asked = (text: string) => askedHeads(headsOf(read(text), uneven), uneven);

  it('are as many as each layer has', () => {
    expect(headNames(uneven, 'self')).toHaveLength(6);
    expect(picksProblem('L0.H2', uneven)).toBe('Layer 0 has heads 0–1.');
    expect(picksProblem('L1.H3', uneven)).toBeNull();
    expect(picksProblem('L2', uneven)).toContain('no attention');
    expect(shifted(read('L1.H3'), uneven, -1)).toBeNull();
    expect(cutTargets(headsOf(read('L0, L1.H0, L1.H1'), uneven), uneven)).toEqual([
      'L0.attn',
      'L1.H0',
      'L1.H1',
    ]);
  });

  it('have a factor each where all are asked for', () => {
    expect(asked('L0, L1')).toEqual({ layers: [0, 1], heads: null, weights: null });
    expect(asked('L0*2, L1').weights).toEqual([2, 2, 1, 1, 1, 1]);
    expect(asked('L0.H1, L1.H1')).toEqual({ layers: [0, 1], heads: [1], weights: null });
  });
});
