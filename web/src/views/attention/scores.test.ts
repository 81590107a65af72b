import { describe, expect, it } from 'vitest';
import { found, kindOf, scoreFacts, scoreWords, sorted } from './scores';

describe('scores', () => {
  const scores = {
    heads: ['L1.H0', 'L1.H1', 'L3.H0'],
    kinds: ['induction', 'entropy'],
    scores: [
      [0.2, null, 0.7],
      [1.234, 0, 2],
    ],
  } as never;
  const heads = ['L1.H0', 'L1.H1', 'L3.H0'];

  it('sort heads, those without one last', () => {
    expect(sorted(heads, 'induction', scores)).toEqual(['L3.H0', 'L1.H0', 'L1.H1']);
    expect(sorted(heads, kindOf('layer', scores), scores)).toEqual(heads);
    expect(sorted(heads, 'induction', null)).toEqual(heads);
  });

  it('are a sum that a person typed, by the name that the answer has for it', () => {
    const typed = { ...(scores as object), kinds: ['induction', '2*entropy'], kind: '2*entropy' };
    expect(kindOf('score', typed as never)).toBe('2*entropy');
    expect(kindOf('score', { ...typed, kind: 'other' } as never)).toBeNull();
    expect(kindOf('score', null)).toBeNull();
  });

  it('are said with their units', () => {
    expect(scoreFacts(scores, 'L1.H0')).toEqual([
      ['induction', '0.200'],
      ['entropy, nats', '1.23'],
    ]);
    expect(scoreWords('induction', null)).toBe('–');
    expect(scoreWords('distance', 12.34)).toBe('12.3');
    expect(scoreWords('induction - first', -0.25)).toBe('−0.250');
  });

  it('leave heads to be found by their own names and by given ones', () => {
    const given = new Map([['L3.H0', { node: 'L3.H0', name: 'Copies', note: '' } as never]]);
    expect(found(heads, 'l1', given)).toEqual(['L1.H0', 'L1.H1']);
    expect(found(heads, ' copies ', given)).toEqual(['L3.H0']);
    expect(found(heads, '', given)).toEqual(heads);
  });
});
