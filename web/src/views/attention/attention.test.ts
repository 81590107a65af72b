import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULTS } from '../../app/address';
import type { Attention } from '../../draw/attention/data';
import { table, look } from '../../draw/lut';
import { page } from '../../shared/pageExample';
import { edit } from '../../shared/text/edits';
import { decodeEdit, encodeEdit } from '../../shared/text/editUrl';
import { ATTENTION } from './attentionState';
import { cutTargets, isCut, isMasked, toggledMask, withCuts, withoutCuts } from './cuts';
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
import { attentionPython } from './python';
import { canCut } from './pairs';
import { onlyHeads } from './query';
import { askedQueries, attentionBody, attentionCost, otherOf, type Lengths } from './request';
import { found, headNames, kindOf, scoreFacts, scoreWords, sorted } from './scores';
import { readThumbnails, thumbnail } from './thumbnails';

/** A hybrid: two of its layers have attention. */
const model = { heads: { self: [0, 3, 0, 3, 0, 3] } };
const part = 'self' as const;
const read = (text: string): HeadPick[] => parsePicks(text) ?? [];
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

// ------------------------------------------------------------------ answers

const side = (heads: number): Attention['baseline'] => ({
  tokens: { query: [], key: [] },
  queries: [0, 1],
  rowOf: Int32Array.of(0, 1),
  segments: [],
  values: Float32Array.from({ length: heads * 4 }, (_, at) => at),
  combined: new Float32Array(4),
  sink: null,
  edges: { rows: new Uint32Array(), keys: new Uint32Array(), values: new Float32Array(), all: 0 },
  sent: Float32Array.from({ length: heads * 2 }, (_, at) => at),
  received: Float32Array.from({ length: heads * 2 }, (_, at) => -at),
});

describe('an answer', () => {
  it('keeps the heads that were picked of all that were asked for', () => {
    const whole = {
      meta: { heads: ['L1.H0', 'L1.H1', 'L3.H0'], weights: [1, 0, 2] },
      baseline: side(3),
      edited: null,
    } as unknown as Attention;
    const { meta, baseline } = onlyHeads(whole, new Set(['L1.H0', 'L3.H0']));
    expect(meta.heads).toEqual(['L1.H0', 'L3.H0']);
    expect(meta.weights).toEqual([1, 2]);
    expect([...(baseline.values ?? [])]).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
    expect([...baseline.sent]).toEqual([0, 1, 4, 5]);
    expect(onlyHeads(whole, new Set(whole.meta.heads))).toBe(whole);
  });
});

describe('thumbnails', () => {
  const said = (cells: number[], scale: number) => ({
    cells: { shape: [1, 2, 2], data: Uint8Array.from(cells) },
    scale: { shape: [1], data: Float32Array.of(scale) },
  });
  const before = said([0, 255, 255, 0], 0.5);
  const after = said([255, 255, 0, 0], 1);
  const about = { heads: ['L1.H0'], query_starts: [0, 1], key_starts: [0, 1] };
  const sides = readThumbnails({
    metadata: { thumbnails: JSON.stringify({ baseline: about, edited: about }) },
    tensors: {
      'baseline.cells': before.cells,
      'baseline.scale': before.scale,
      'edited.cells': after.cells,
      'edited.scale': after.scale,
    },
  } as never);

  it('are coloured by the head’s own largest', () => {
    const colours = table('sequential', 'light');
    const picture = thumbnail(sides, 'L1.H0', 'baseline', 'light');
    expect([...(picture ?? [])]).toEqual([colours[0], colours[255], colours[255], colours[0]]);
    expect(thumbnail(sides, 'L1.H0', 'edited', 'light')?.[2]).toBe(colours[0]);
    expect(thumbnail(sides, 'L9.H9', 'baseline', 'light')).toBeNull();
  });

  it('show what the edits change, each side by its own scale', () => {
    const colours = table('diverging', 'light');
    const half = Math.SQRT1_2 / 2;
    const shares = [1, 0.5 + half, 0.5 - half].map((share) => look(colours, share));
    expect([...(thumbnail(sides, 'L1.H0', 'difference', 'light') ?? [])]).toEqual([...shares, 0]);
  });
});

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

// ------------------------------------------------------------------ edits, Python

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

describe('Python of a model that reads a source', () => {
  it('names the part, and no queries of an encoder', () => {
    const reader = page('bart', DEFAULTS);
    Object.assign(reader.model, {
      heads: { ...reader.model.heads, cross: [12, 12], encoder: [12, 12, 12] },
    });
    const written = (heads: string) =>
      attentionPython({
        ...reader,
        spec: {
          ...DEFAULTS,
          attention: { ...ATTENTION, picks: read(heads), queries: 'position', order: 'first' },
        },
        position: 2,
      });
    expect(written('L1.X2')).toContain('[1], part="cross", heads=[2], queries=[2])');
    expect(written('L1.X2')).toContain('ue.find_heads(model, prompt, part="cross", kind="first")');
    expect(written('E2')).toContain('[2], part="encoder")');
  });
});

describe('Python', () => {
  const spec = {
    ...DEFAULTS,
    prompt: 'Hi',
    target: ' x',
    edits: [edit('L1.H2@3<1')],
    attention: {
      ...ATTENTION,
      picks: read('L4.H1, L5.H2*0.5'),
      measure: 'target' as const,
      queries: 'position' as const,
      combine: 'sum' as const,
      order: 'induction' as const,
    },
  };

  it('asks both runs for the same, and for the scores that sort the heads', () => {
    const asked =
      '[4, 5], heads=[1, 2], weights=[1, 0, 0, 0.5], queries=[3], measure="target", combine="sum", target=" x"';
    expect(attentionPython(page('gpt2', spec, 3))).toBe(`import unembed as ue

model = ue.load("gpt2")
prompt = "Hi"
capture = ue.attention_capture(model, ${asked})
baseline = model.run(prompt, capture=capture)
edits = [
    ue.zero("L1.H2@3<1"),
]
found = ue.attention(baseline, ${asked})
print(found.to_pandas())
edited = model.run(prompt, edits=edits, capture=capture)
changed = ue.attention(edited, ${asked})
print(changed.to_pandas())
print(ue.find_heads(model, prompt, kind="induction").best(5))
# found.plot()  # the picture
# found.to_html(path="attention.html")  # a page of its own
`);
  });

  it('compares two prompts, each with the edits', () => {
    const other = {
      ...spec,
      target: '',
      attention: { ...ATTENTION, picks: read('L4.H1'), against: 'Ho "x"' },
    };
    expect(attentionPython(page('gpt2', other, 3))).toBe(`import unembed as ue

model = ue.load("gpt2")
prompt = "Hi"
edits = [
    ue.zero("L1.H2@3<1"),
]
other = "Ho \\"x\\""
kept = ue.attention_capture(model, [4], heads=[1])
runs = [model.run(one, capture=kept, edits=edits) for one in (prompt, other)]
found = ue.compare_attention(*runs, [4], heads=[1])
print(found.to_pandas())
# found.plot()  # the picture
# found.to_html(path="attention.html")  # a page of its own
`);
    const switched = { ...edit('L1.N3', 'on'), positions: [2] };
    const measured = attentionPython(page('gpt2', { ...other, edits: [switched] }, 3));
    expect(measured).toContain(`prompt = "Hi"
other = "Ho \\"x\\""
capture = ue.sub_updates_capture(model)


def edits_of(prompt):
    baseline = model.run(prompt, capture=capture)
    return [
        replace(ue.turn_on(baseline, "L1.N3"), positions=(2,)),
    ]


kept = ue.attention_capture(model, [4], heads=[1])
runs = [model.run(one, capture=kept, edits=edits_of(one)) for one in (prompt, other)]
`);
    const plain = attentionPython(page('gpt2', { ...other, edits: [] }, 3));
    expect(plain).toContain('runs = [model.run(one, capture=kept) for one in (prompt, other)]');
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
