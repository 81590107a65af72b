import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULTS } from '../../app/address';
import { ATTENTION } from './attentionState';
import { askedHeads, headsOf } from './picks';
import { model, read } from './picksExample';
import { askedQueries, attentionBody, attentionCost, otherOf, type Lengths } from './request';

const part = 'self' as const;

describe('what is asked', () => {
  it('names the heads of each layer, with weights where a layer has others', () => {
    expect(askedHeads(headsOf(read('L3'), model), model)).toEqual({
      layers: [3],
      heads: null,
      weights: null,
    });
    expect(askedHeads(headsOf(read('L1.H0, L3.H2*0.5'), model), model)).toEqual({
      layers: [1, 3],
      heads: [0, 2],
      weights: [1, 0, 0, 0.5],
    });
  });

  it('makes of the heads that were picked what they alone would be', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            part: fc.constant(part),
            layer: fc.constantFrom(1, 3, 5),
            head: fc.nat({ max: 2 }),
            weight: fc.integer({ min: 1, max: 9 }),
          }),
          { minLength: 1 },
        ),
        (picks) => {
          const heads = headsOf(picks, model);
          const asked = askedHeads(heads, model);
          const own = asked.heads ?? [0, 1, 2];
          const value = (layer: number, head: number) => layer * 10 + head;
          const all = asked.layers.flatMap((layer) => own.map((head) => value(layer, head)));
          const weights = asked.weights ?? all.map(() => 1);
          const sum = all.reduce((total, one, at) => total + one * (weights[at] ?? 0), 0);
          expect(sum).toBe(
            heads.reduce((total, one) => total + one.weight * value(one.layer, one.head), 0),
          );
        },
      ),
    ));

  it('has the positions that are in the prompt', () => {
    expect(askedQueries('all', 9, 3)).toBeNull();
    expect(askedQueries('position', 9, 3)).toEqual([3]);
    expect(askedQueries([2, -1, 8, 40], 9, 3)).toEqual([2, 8]);
    expect(askedQueries([40], 9, 3)).toBeNull();
  });

  it('has pairs between texts only where there are two', () => {
    const state = { ...ATTENTION, between: 'across' as const };
    const heads = headsOf([], model);
    expect(attentionBody(state, heads, model, null, null)).not.toHaveProperty('between');
    expect(attentionBody(state, heads, model, null, null, true).between).toBe('across');
  });

  it('is counted before it is asked', () => {
    const heads = headsOf(read('L1.H0, L3.H2'), model);
    const body = attentionBody(ATTENTION, heads, model, [4], null);
    const reader = { heads: { ...model.heads, cross: [0, 3], encoder: [0, 3] } };
    const [short, long] = [10, 30].map((prompt) => ({ prompt, source: 7 }));
    if (!short || !long) throw new Error('two lengths');
    const cost = (sides: Lengths[], of?: 'cross' | 'encoder') =>
      attentionCost({ ...body, ...(of ? { part: of, queries: null } : {}) }, reader, sides, 2);
    expect(cost([short])).toMatchObject({ heads: 4, queries: 1, keys: 10, numbers: 80 });
    // The server gives each of two prompts half of what it sends.
    expect(cost([short, long])).toMatchObject({ queries: 1, keys: 30, numbers: 240 });
    expect(cost([short], 'cross')).toMatchObject({ queries: 10, keys: 7 });
    expect(cost([short], 'encoder')).toMatchObject({ queries: 7, keys: 7 });
  });
});

describe('another prompt', () => {
  const asked = { ...DEFAULTS, prompt: 'Hi', attention: { ...ATTENTION, against: 'Ho' } };

  it('is asked for beside the own one, as it is given', () => {
    const heads = headsOf(read('L1.H0'), model);
    const body = (spec: typeof asked) =>
      attentionBody(spec.attention, heads, model, null, null, false, otherOf(spec, heads));
    expect(body(asked).against).toBe('Ho');
    expect(body({ ...asked, chat: true }).against).toEqual([{ role: 'user', content: 'Ho' }]);
    expect(body({ ...asked, attention: ATTENTION })).not.toHaveProperty('against');
  });

  it('is none of an encoder that reads a source', () => {
    expect(
      otherOf(asked, headsOf(read('E1'), { heads: { ...model.heads, encoder: [2, 2] } })),
    ).toBeNull();
  });
});
