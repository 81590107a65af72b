import { describe, expect, it, vi } from 'vitest';
import { page } from '../shared/pageExample';

const ADDED = { kind: 'integer', default: 3, low: 1, high: 9 };

vi.mock('../questions.gen', async (load) => {
  const { QUESTIONS, ...rest } = await load<typeof import('../questions.gen')>();
  const { lens, flow } = QUESTIONS;
  return {
    ...rest,
    QUESTIONS: {
      ...Object.fromEntries(
        Object.entries(QUESTIONS).map(([name, table]) => [name, { ...table, made_up: ADDED }]),
      ),
      lens: {
        ...lens,
        made_up: ADDED,
        layer_step: { ...lens.layer_step, default: 2 },
        follow: { ...lens.follow, choices: [...lens.follow.choices, 'made'] },
      },
      flow: { ...flow, made_up: { ...ADDED, kind: 'choice', default: 'a', choices: ['a', 'b'] } },
    },
  };
});

const { DEFAULTS, decodeSpec, encodeSpec } = await import('./address');
const { lensOptions } = await import('../views/lens/lensState');
const { lensPython } = await import('../views/lens/python');
const { attentionOptions } = await import('../views/attention/attentionState');
const { attentionPython } = await import('../views/attention/python');
const { attributionBody } = await import('../views/attribution/attributionState');
const { attributionPython } = await import('../views/attribution/python');
const { patchingBody } = await import('../views/patching/patchingState');
const { patchingPython } = await import('../views/patching/python');
const { circuitBody } = await import('../views/circuit/circuitState');
const { circuitPython } = await import('../views/circuit/python');
const { graphBody } = await import('../views/graph/graphState');
const { graphPython } = await import('../views/graph/python');
const { flowBody } = await import('../views/flow/flowState');
const { flowPython } = await import('../views/flow/python');
const { labelsPython, predictionsPython } = await import('../views/predictions/python');
const { componentPython } = await import('../views/component/python');
const { explorePython } = await import('../views/explore/python');
const { corpusPython } = await import('../views/corpus/python');
const { furtherOf } = await import('../shared/text/further');
const { QUESTIONS } = await import('../questions.gen');

/** The address of a page that asks the question, and the call that it is in Python. */
const PAGES = {
  predictions: ['view=predictions&p=Hi', predictionsPython, 'ue.predictions(model, prompt, '],
  labels: ['view=predictions&p=Hi', labelsPython, 'ue.label_scores(model, prompt, '],
  component: ['view=component&p=Hi&node=L1.H2', componentPython, 'ue.component(run, "L1.H2", '],
  generate: ['view=predictions&p=Hi&gen=5,0,0', predictionsPython, 'model.generate(prompt, 5, '],
  search: ['view=explore&q=music', explorePython, 'index.search(["music"], '],
  token: ['view=explore&ask=token&tok=a', explorePython, 'index.token("a", '],
  similar: ['view=explore&ask=similar&to=L1.N2', explorePython, 'index.similar("L1.N2", '],
  browse: ['view=explore&ask=browse', explorePython, 'index.browse(0, 0, 25, '],
  clusters: ['view=explore&ask=clusters&groups=kmeans,5,0', explorePython, 'index.clusters(n=5, '],
  cluster: ['view=explore&ask=clusters&groups=kmeans,5,0&c=2', explorePython, 'clusters(n=5, '],
  patch_pairs: ['view=patching&p=Hi&pset=ioi', patchingPython, 'ue.patch_pairs(model, pairs, '],
  corpus: ['view=corpus&p=Hi&cc=a', corpusPython, 'corpus.search(run, 0, '],
} as const;
/** Asked by a button, or beside what a page is about: in the address and the request alone. */
const BESIDE = [
  'build',
  'vector',
  'heads',
  'thumbnails',
  'sentences',
  'examples',
  'corpus_build',
  'sae_train',
  'relations',
  'explain',
  'score',
] as const;
/** Asked in Python, on the command line and over HTTP; the app has no page for it yet. */
const WITHOUT_PAGE = ['patch_path'] as const;

const read = (address: string) => {
  const { spec, problems } = decodeSpec(address);
  expect(problems).toEqual([]);
  expect(encodeSpec(spec)).toBe(address);
  return spec;
};

describe('an option that the server declares', () => {
  it('is in the address, in the request and in the Python of the lens', () => {
    const spec = read('v=1&view=lens&p=Hi&lens.made_up=5');
    expect(lensOptions(spec.lens)).toEqual({ made_up: 5 });
    expect(lensPython(page('gpt2', spec))).toContain('ue.logit_lens(model, prompt, made_up=5)');
    expect(lensPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('lens.made_up=10').problems).toHaveLength(1);
  });

  it('is in the address, in the request and in the Python of attention', () => {
    const spec = read('v=1&view=attention&p=Hi&attention.made_up=5');
    expect(attentionOptions(spec.attention)).toEqual({ made_up: 5 });
    const asked = '[6], made_up=5)';
    const written = attentionPython(page('gpt2', spec));
    expect(written).toContain(`ue.attention_capture(model, ${asked}`);
    expect(written).toContain(`ue.attention(run, ${asked}`);
    expect(attentionPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('attention.made_up=10').problems).toHaveLength(1);
  });

  it('is in the address, in the request and in the Python of the flow graph', () => {
    const spec = read('v=1&view=flow&p=Hi&flow.made_up=b');
    expect(flowBody(spec.flow, '', 12)).toMatchObject({ made_up: 'b' });
    expect(flowPython(page('gpt2', spec))).toContain('options=ue.FlowOptions(made_up="b")');
    expect(flowPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('flow.made_up=c').problems).toHaveLength(1);
  });

  it('is in the address, in the request and in the Python of attribution', () => {
    const spec = read('v=1&view=attribution&p=Hi&attribution.made_up=5');
    const size = { layers: 12, positions: 2 };
    expect(attributionBody(spec.attribution, spec, size)).toMatchObject({ made_up: 5 });
    expect(attributionPython(page('gpt2', spec))).toContain('made_up=5');
    expect(attributionPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('attribution.made_up=10').problems).toHaveLength(1);
  });

  it('is in the address, in the request and in the Python of a patching grid', () => {
    const spec = read('v=1&view=patching&p=Hi&patching.made_up=5');
    expect(patchingBody(spec.patching)).toEqual({ made_up: 5 });
    expect(patchingPython(page('gpt2', spec))).toContain('made_up=5');
    expect(patchingPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('patching.made_up=10').problems).toHaveLength(1);
  });

  it('is in the address, in the request and in the Python of a circuit', () => {
    const spec = read('v=1&view=circuit&p=Hi&circuit.made_up=5');
    expect(circuitBody(spec.circuit)).toEqual({ made_up: 5 });
    expect(circuitPython(page('gpt2', spec))).toContain('made_up=5');
    expect(circuitPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('circuit.made_up=10').problems).toHaveLength(1);
  });

  it('is in the address, in the request and in the Python of an attribution graph', () => {
    const spec = read('v=1&view=graph&p=Hi&graph.made_up=5');
    expect(graphBody(spec.graph)).toEqual({ made_up: 5 });
    expect(graphPython(page('gpt2', spec))).toContain('made_up=5');
    expect(graphPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('graph.made_up=10').problems).toHaveLength(1);
  });

  it('is in a page of every question', () => {
    // Traces are asked in Python, on the command line and over HTTP alone.
    const tried = [
      'lens',
      'attention',
      'flow',
      'attribute',
      'patch',
      ...Object.keys(PAGES),
      ...BESIDE,
      ...WITHOUT_PAGE,
      'trace',
      'circuit',
      'circuit_pairs',
      'graph',
      'edge',
    ];
    expect(tried.toSorted()).toEqual(Object.keys(QUESTIONS).toSorted());
  });

  it.each(Object.entries(PAGES))('is in address, request and Python of %s', (name, asked) => {
    const [address, python, call] = asked;
    const question = name as keyof typeof PAGES;
    const { spec, problems } = decodeSpec(`${address}&${name}.made_up=5`);
    expect(problems).toEqual([]);
    expect(encodeSpec(spec)).toContain(`${name}.made_up=5`);
    expect(furtherOf(spec, question)).toEqual({ made_up: 5 });
    const line = python(page('gpt2', spec, 0))
      .split('\n')
      .find((one) => one.includes('made_up=5'));
    expect(line).toContain(call);
    const plain = decodeSpec(address).spec;
    expect(python(page('gpt2', plain, 0))).toContain(call.replace(/, $/, ''));
    expect(python(page('gpt2', plain, 0))).not.toContain('made_up');
    expect(furtherOf(plain, question)).toEqual({});
    expect(decodeSpec(`${name}.made_up=10`).problems).toHaveLength(1);
  });

  it.each(BESIDE)('is in address and request of %s', (name) => {
    const { spec } = decodeSpec(`${name}.made_up=5`);
    expect(encodeSpec(spec)).toContain(`${name}.made_up=5`);
    expect(furtherOf(spec, name)).toEqual({ made_up: 5 });
  });

  it('has its default and its choices from there', () => {
    expect(DEFAULTS.lens.layer_step).toBe(2);
    expect(lensOptions({ ...DEFAULTS.lens, layer_step: 1 })).toEqual({ layer_step: 1 });
    expect(read('v=1&of=made').follow).toBe('made');
  });
});
