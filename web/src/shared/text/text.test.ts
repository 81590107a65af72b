import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toCsv } from './files';
import {
  duration,
  figures,
  logit,
  nats,
  probability,
  quantity,
  rank,
  signed,
} from '../../draw/format';
import { cellAt, type Frame } from '../../draw/heatgrid';
import { lensPython, predictionsPython, quote } from './python';
import { readSpaces, shorten, showSpaces } from '../../draw/tokens';
import { edit } from './edits';
import { DEFAULTS } from './url';

describe('tokens', () => {
  it('show white space, and give it back', () => {
    expect(showSpaces(' a\n\t')).toBe('␣a↵⇥');
    fc.assert(
      fc.property(fc.string(), (text) => void expect(readSpaces(showSpaces(text))).toBe(text)),
    );
  });

  it('are shortened between characters, not inside one', () =>
    expect(shorten('👩‍🚀abc', 2)).toBe('👩…'));
});

describe('numbers', () => {
  it('have the digits that matter', () => {
    expect([0.7512, 0.0123, 0.0004, 3.2e-9, 1e-40, 0, 1].map(probability)).toEqual([
      '0.751',
      '0.012',
      '4e−4',
      '3e−9',
      '<1e−9',
      '0',
      '1.000',
    ]);
    expect([1, 42, 12_345, 2_000_000].map(rank)).toEqual(['#1', '#42', '#12k', '#2.0M']);
    expect([0, 1e-14, 1.234].map(nats)).toEqual(['0.00', '0.00', '1.23']);
    expect([17.26, -4.1, -0.01].map(logit)).toEqual(['17.3', '−4.1', '0.0']);
    expect([0, 0.001, 1.234, 12.34, -123.4].map(quantity)).toEqual([
      '0.00',
      '1e−3',
      '1.23',
      '12.3',
      '−123',
    ]);
    expect([2709.4, -1.283, 0.01234, -0.0000412, 0, 999.7].map(figures)).toEqual([
      '2709',
      '−1.28',
      '0.0123',
      '−4.1e−5',
      '0',
      '1000',
    ]);
    expect([0.5, -0.5, 0.0001].map((value) => signed(value))).toEqual([
      '+0.500',
      '−0.500',
      '±0.000',
    ]);
    expect([0.2, 42, 300].map(duration)).toEqual(['under 1 s', '42 s', '5 min']);
  });
});

describe('numbers that there are none of', () => {
  it('are a dash', () =>
    expect([probability(Number.NaN), logit(Number.NaN), nats(Number.NaN), rank(0)]).toEqual([
      '–',
      '–',
      '–',
      '–',
    ]));
});

describe('files', () => {
  it('quote what CSV must quote, and disarm formulas', () => {
    expect(toCsv([['a,b', '"', 1.5, null, '=1+1', '\n']])).toBe(
      '\uFEFF"a,b","""",1.5,,\'=1+1,"\n"\r\n',
    );
  });
});

describe('Python', () => {
  const spec = {
    ...DEFAULTS,
    prompt: 'Say "hi"\n',
    target: ' x',
    edits: [edit('L9.H6'), { ...edit('L1.N2', 'scale', 2), positions: [3], stage: 'pre' as const }],
  };

  it('reproduces the view in the public names', () => {
    expect(predictionsPython('gpt2', spec, 4)).toBe(`import unembed as ue

model = ue.load("gpt2")
prompt = "Say \\"hi\\"\\n"
capture = ue.sub_updates_capture(model)
baseline = model.run(prompt, capture=capture)
edits = [
    ue.zero("L9.H6"),
    ue.scale("L1.N2", 2, positions=[3], stage="pre"),
]
edited = model.run(prompt, edits=edits, capture=capture)
for run in (baseline, edited):
    print(*run.top(k=10, position=4), sep="\\n")
    parts = ue.sub_updates(run, position=4, k=10)
    print(parts.to_pandas())
for chosen in ([], edits):
    lens = ue.logit_lens(model, prompt, positions=[4], subblocks=True, target=" x", edits=chosen)
    print(lens.to_pandas())
`);
    expect(lensPython('gpt2', spec)).toContain(
      'lens = ue.logit_lens(model, prompt, target=" x", edits=edits)\n',
    );
  });

  it('says everything that a lens was asked for', () => {
    const lens = {
      ...DEFAULTS,
      prompt: 'Hi',
      positions: [3, 4, 5, 6],
      step: 2,
      embedding: false,
      subblocks: true,
      decoder: 'L3.mlp',
      follow: 'next' as const,
      kind: 'kl' as const,
      flipped: true,
    };
    const written = lensPython('gpt2', lens);
    expect(written).toContain(
      'ue.logit_lens(model, prompt, positions=range(3, 7), layer_step=2, include_embedding=False, ' +
        'subblocks=True, decoder="L3.mlp", follow="next")',
    );
    expect(written).toContain('lens.plot(kind="kl", top_down=True)');
    expect(lensPython('gpt2', { ...lens, positions: [0, -1] })).toContain('positions=[0, -1]');
    expect(lensPython('gpt2', { ...lens, clipped: true })).toContain(
      'kl_floor=1 / (10 * model.vocab_size)',
    );
    expect(lensPython('gpt2', { ...lens, target: ' x' })).not.toContain('target');
  });

  it('measures in the unedited run what a neuron is switched on with', () => {
    const presets = {
      ...spec,
      edits: [
        edit('L1.N2', 'on'),
        edit('L1.N3', 'lmd_on'),
        { ...edit('L1.N4', 'lmd_off'), positions: [3, 5] },
      ],
      generation: { tokens: 5, temperature: 0.7, seed: 3 },
    };
    const written = predictionsPython('gpt2', presets, 4);
    expect(written).toContain(`edits = [
    ue.turn_on(baseline, "L1.N2"),
    *ue.lm_debugger_on(baseline, "L1.N3"),
    *(replace(edit, positions=(3, 5,)) for edit in ue.lm_debugger_off("L1.N4")),
]`);
    expect(written).toMatch(/^from dataclasses import replace\n/);
    expect(written).toContain('generate(prompt, 5, edits=chosen, temperature=0.7, seed=3).text');
    expect(lensPython('gpt2', presets)).toContain('baseline = model.run(prompt, capture=capture)');
  });

  it('leaves out edits that are off', () => {
    expect(
      predictionsPython('gpt2', { ...spec, edits: [{ ...edit('L9.H6'), enabled: false }] }, 0),
    ).not.toContain('edits');
  });

  it('quotes any text', () =>
    expect(quote('\u0000\u2028"\\é😀')).toBe('"\\u0000\u2028\\"\\\\é😀"'));
});

describe('the grid', () => {
  const frame: Frame = {
    cellWidth: 10,
    rowHeight: 20,
    scrollX: 5,
    scrollY: 0,
    width: 100,
    height: 100,
    ratio: 1,
  };

  it('knows the cell under the pointer', () => {
    expect(cellAt(frame, 3, 8, 0, 0)).toEqual({ row: 0, column: 0 });
    expect(cellAt(frame, 3, 8, 5, 59)).toEqual({ row: 2, column: 1 });
    expect(cellAt(frame, 3, 8, 76, 0)).toBeNull();
    expect(cellAt(frame, 3, 8, 0, 60)).toBeNull();
  });
});
