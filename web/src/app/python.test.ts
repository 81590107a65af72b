import { describe, expect, it } from 'vitest';
import { page } from '../shared/pageExample';
import { edit } from '../shared/text/edits';
import { LENS } from '../views/lens/lensState';
import { lensPython } from '../views/lens/python';
import { attributionPython } from '../views/attribution/python';
import { patchingPython } from '../views/patching/python';
import { predictionsPython } from '../views/predictions/python';
import { DEFAULTS } from './address';

describe('Python', () => {
  const spec = {
    ...DEFAULTS,
    prompt: 'Say "hi"\n',
    target: ' x',
    edits: [edit('L9.H6'), { ...edit('L1.N2', 'scale', 2), positions: [3], stage: 'pre' as const }],
  };

  it('reproduces the view in the public names', () => {
    expect(predictionsPython(page('gpt2', spec, 4))).toBe(`import unembed as ue

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
found = ue.predictions(model, prompt, position=4, target=" x", edits=edits)
print(found.to_pandas())
`);
    expect(lensPython(page('gpt2', spec))).toContain(
      'lens = ue.logit_lens(model, prompt, target=" x", edits=edits)\n',
    );
  });

  it('names no position of the label of a text as a whole', () => {
    const asked = { ...DEFAULTS, prompt: 'Hi', target: 'label("good")' };
    for (const python of [attributionPython, patchingPython]) {
      const { model, ...rest } = page('classifier', asked, 1);
      const of = (labels_of: 'text' | 'token') =>
        python({ ...rest, model: { ...model, labels_of } });
      expect(of('text')).not.toContain('position=');
      expect(of('token')).toContain('position=1');
    }
  });

  it('says everything that a lens was asked for', () => {
    const lens = {
      ...DEFAULTS,
      prompt: 'Hi',
      positions: [3, 4, 5, 6],
      follow: 'next' as const,
      flipped: true,
      lens: {
        ...LENS,
        layer_step: 2,
        include_embedding: false,
        subblocks: true,
        decoder: 'L3.mlp',
        kind: 'kl' as const,
      },
    };
    const written = lensPython(page('gpt2', lens));
    expect(written).toContain(
      'ue.logit_lens(model, prompt, positions=range(3, 7), layer_step=2, include_embedding=False, ' +
        'subblocks=True, decoder="L3.mlp", follow="next")',
    );
    expect(written).toContain('lens.plot(kind="kl", top_down=True)');
    expect(lensPython(page('gpt2', { ...lens, positions: [0, -1] }))).toContain(
      'positions=[0, -1]',
    );
    expect(lensPython(page('gpt2', { ...lens, lens: { ...lens.lens, clipped: true } }))).toContain(
      'kl_floor=1 / (10 * model.vocab_size)',
    );
    expect(lensPython(page('gpt2', { ...lens, target: ' x' }))).not.toContain('target');
    const modules = { ...lens.lens, decoder: ['h.2', 'lm_head'] };
    expect(lensPython(page('gpt2', { ...lens, lens: modules }))).toContain(
      'decoder=("h.2", "lm_head",)',
    );
  });

  it('measures in the unedited run what a neuron is switched on with', () => {
    const presets = {
      ...spec,
      edits: [
        edit('L1.N2', 'on'),
        { ...edit('L1.N5', 'on'), sign: -1 as const },
        edit('L1.N3', 'lmd_on'),
        { ...edit('L1.N4', 'lmd_off'), positions: [3, 5] },
      ],
      generation: { tokens: 5, temperature: 0.7, seed: 3 },
    };
    const written = predictionsPython(page('gpt2', presets, 4));
    expect(written).toContain(`edits = [
    ue.turn_on(baseline, "L1.N2"),
    ue.turn_on(baseline, "L1.N5", sign=-1),
    *ue.lm_debugger_on(baseline, "L1.N3"),
    *(replace(edit, positions=(3, 5,)) for edit in ue.lm_debugger_off("L1.N4")),
]`);
    expect(written).toMatch(/^from dataclasses import replace\n/);
    expect(written).toContain('generate(prompt, 5, edits=chosen, temperature=0.7, seed=3).text');
    expect(lensPython(page('gpt2', presets))).toContain(
      'baseline = model.run(prompt, capture=capture)',
    );
  });

  it('masks tokens and knocks out pairs', () => {
    const edits = [
      { ...edit('embed', 'mask'), positions: [3, 5] },
      { ...edit('L1.H2', 'knock_out'), pairs: [[4, 2] as [number, number]], renormalise: true },
      { ...edit('L1.attn', 'knock_out'), between: 'across' as const },
      edit('L1.H2@4<2', 'knock_out'),
    ];
    expect(predictionsPython(page('bert', { ...spec, edits }, 4))).toContain(`edits = [
    ue.mask([3, 5]),
    ue.knock_out("L1.H2", [(4, 2)], renormalise=True),
    ue.knock_out("L1.attn", ue.pairs_between(model.read_prompt(prompt).segments, "across")),
    ue.knock_out("L1.H2@4<2"),
]`);
  });

  it('leaves out edits that are off', () => {
    expect(
      predictionsPython(
        page('gpt2', { ...spec, edits: [{ ...edit('L9.H6'), enabled: false }] }, 0),
      ),
    ).not.toContain('edits');
  });
});
