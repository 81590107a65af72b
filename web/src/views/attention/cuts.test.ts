import { describe, expect, it } from 'vitest';
import { edit } from '../../shared/text/edits';
import { decodeEdit, encodeEdit } from '../../shared/text/editUrl';
import { cutTargets, isCut, isMasked, toggledMask, withCuts, withoutCuts } from './cuts';
import { headsOf } from './picks';
import { model, read } from './picksExample';
import { canCut } from './pairs';

describe('cutting pairs', () => {
  const some = headsOf(read('L1.H0, L1.H1, L3'), model);
  const [pair, other] = [
    { query: 7, key: 3 },
    { query: 7, key: 4 },
  ];

  it('is one edit for each head, or for all heads of a layer', () => {
    expect(cutTargets(some, model)).toEqual(['L1.H0', 'L1.H1', 'L3.attn']);
    const cut = withCuts([edit('L5.attn')], some, model, [pair], true);
    expect(cut.map(({ target }) => target)).toEqual(['L5.attn', 'L1.H0', 'L1.H1', 'L3.attn']);
    expect(cut[3]).toMatchObject({ operation: 'knock_out', pairs: [[7, 3]], renormalise: true });
    expect(isCut(cut, some, pair)).toBe(true);
    expect(isCut(cut, some, other)).toBe(false);
  });

  it('adds to the edit that is there, each pair once, and not to one that does otherwise', () => {
    const once = withCuts([], some, model, [pair], true);
    const twice = withCuts(once, some, model, [pair, other], true);
    expect(twice).toHaveLength(3);
    expect(twice[0]?.pairs).toEqual([
      [7, 3],
      [7, 4],
    ]);
    expect(withCuts(once, some, model, [other], false)).toHaveLength(6);
  });

  it('is of the decoder’s attention to its source, and of the encoder, as of its own', () => {
    const reader = { heads: { self: [2, 2], cross: [2, 2], encoder: [2, 2, 2] } };
    for (const [picks, targets] of [
      ['L1.X', ['L1.cross']],
      ['L0.X1, L1.X', ['L0.X1', 'L1.cross']],
      ['E0.H1, E2', ['E0.H1', 'E2.attn']],
    ] as const) {
      const heads = headsOf(read(picks), reader);
      expect(cutTargets(heads, reader)).toEqual(targets);
      const cut = withCuts([edit('L0.attn')], heads, reader, [pair], false);
      expect(isCut(cut, heads, pair)).toBe(true);
      expect(isCut(cut, headsOf(read('L0.H1, L1'), reader), pair)).toBe(false);
      expect(cut.map((made) => decodeEdit(encodeEdit(made)))).toEqual(cut);
      expect(withoutCuts(cut, heads, [pair])).toEqual([edit('L0.attn')]);
    }
  });

  it('is of pairs that both of two prompts have', () => {
    const tokens = (query: number, key: number) =>
      ({ tokens: { query: Array(query).fill(0), key: Array(key).fill(0) } }) as never;
    const two = { baseline: tokens(9, 9), edited: tokens(8, 8) };
    expect([6, 7, 8].map((query) => canCut(two, { query, key: 3 }))).toEqual([true, true, false]);
    expect(canCut({ baseline: two.edited, edited: two.baseline }, { query: 8, key: 3 })).toBe(
      false,
    );
    expect(canCut({ baseline: two.baseline, edited: null }, { query: 8, key: 8 })).toBe(true);
    expect(canCut({ baseline: tokens(4, 9), edited: null }, { query: 3, key: 8 })).toBe(true);
  });

  it('is taken back, whoever made it', () => {
    const one = headsOf(read('L1.H0'), model);
    const by = [edit('L1.H0@7<3'), ...withCuts([], one, model, [pair, other], false)];
    expect(isCut(by, one, pair)).toBe(true);
    const back = withoutCuts(by, one, [pair]);
    expect(back).toHaveLength(1);
    expect(back[0]?.pairs).toEqual([[7, 4]]);
    expect(withoutCuts(back, one, [pair, other])).toEqual([]);
  });
});

describe('masks', () => {
  it('are one edit of all tokens that are masked', () => {
    const one = toggledMask([edit('L1.H0')], 5);
    expect(one[1]).toMatchObject({ target: 'embed', operation: 'mask', positions: [5] });
    const two = toggledMask(one, 2);
    expect(two[1]?.positions).toEqual([2, 5]);
    expect(isMasked(two, 2)).toBe(true);
    expect(toggledMask(toggledMask(two, 5), 2)).toEqual([edit('L1.H0')]);
  });
});
