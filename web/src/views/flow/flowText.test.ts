import { describe, expect, it } from 'vitest';
import { edit } from '../../shared/text/edits';
import { cutEdit } from '../../shared/text/editList';
import { decodeFlow, sideOf } from '../../draw/flow/data';
import {
  agreement,
  completeness,
  effectOn,
  flowTable,
  linkEnds,
  nodeFacts,
  shareOf,
  targetName,
} from '../../draw/flow/text';
import { FLOW, flowBody, parseLayerList, shownLayers } from './flowState';
import { DEFAULTS } from '../../app/address';
import { page } from '../../shared/pageExample';
import type { Spec } from '../../shared/text/url';
import { lensPython } from '../lens/python';
import { predictionsPython } from '../predictions/python';
import { flowPython } from './python';
import { flowExample, LINK, NODE, SUM } from '../../draw/flow/example';

describe('layers', () => {
  it('are one at two thirds of the depth until some are chosen', () => {
    expect(shownLayers(null, 18)).toEqual([11]);
    expect(shownLayers(null, 1)).toEqual([0]);
    expect(shownLayers([10, 14], 18)).toEqual([10, 14]);
    expect(shownLayers([30], 18)).toEqual([11]);
  });

  it.each([
    ['10, 14', [10, 14]],
    ['14 10', [10, 14]],
    ['3-5', [3, 4, 5]],
  ])('%j is %j', (typed, layers) => expect(parseLayerList(typed, 18)).toEqual(layers));

  it.each(['', 'x', '18', '-1', '0-8'])('%j is refused with a sentence', (typed) => {
    expect(typeof parseLayerList(typed, 18)).toBe('string');
  });
});

describe('the request', () => {
  it('by hand shows nothing but what is named', () => {
    const body = flowBody(
      { ...FLOW, layers: [14], choice: 'hand' as const, include: ['L14.H7', 'L3.H1'] },
      '',
      18,
    );
    expect(body.threshold).toBe(1000);
    expect(body.include).toEqual(['L14.H7']);
    expect(body.target).toBeNull();
  });
});

describe('words', () => {
  const graph = decodeFlow(flowExample());

  it('name the whole target where all of it counts', () => {
    const target = { ...graph.target, tokens: [...graph.target.tokens, ...graph.target.tokens] };
    expect(targetName(graph)).toBe('␣Tokyo');
    expect(targetName({ ...graph, target: { ...target, mode: 'whole' } })).toBe('␣Tokyo␣Tokyo');
  });

  it('names another objective than a logit by its words, and gives it no unit', () => {
    expect(effectOn(graph)[0]).toBe('␣Tokyo');
    expect(effectOn(graph)[1](0.5)).toBe('+0.50 logit');
    const objective = "log probability of ' Tokyo'";
    const [name, write] = effectOn({
      ...graph,
      target: { ...graph.target, objective, of_token: false },
    });
    expect([name, write(0.5)]).toEqual([`the ${objective}`, '+0.50']);
  });

  it('say of a head what it writes and does', () => {
    const head = graph.baseline.nodes.find(({ kind }) => kind === 'head');
    const facts = head ? nodeFacts(head, graph.baseline, '␣Tokyo').map(([name]) => name) : [];
    expect(facts).toContain('norm');
    expect(facts).toContain('entropy');
    expect(facts).not.toContain('attention to no token (sink)');
  });

  it('say of a head what of its attention goes to the sink', () => {
    const head = graph.baseline.nodes.find(({ kind }) => kind === 'head');
    if (!head) throw new Error('the example has no head');
    const facts = nodeFacts({ ...head, sink: 0.25 }, graph.baseline, '␣Tokyo');
    expect(facts).toContainEqual(['attention to no token (sink)', '25 %']);
  });

  it('say how much of a layer is drawn, and why one is not taken apart', () => {
    const sum = { ...SUM, layer: 14, added_norm: 20, rest_norm: 1, bias: 0.02, rest: 0.17 };
    const sums = [
      { ...sum, branch: 'attn' as const, heads: 0.81, shown: 0.34 },
      { ...sum, branch: 'mlp' as const, heads: null, shown: null, reason: 'it has experts' },
    ];
    expect(completeness({ ...graph.baseline, sums })).toEqual([
      {
        layer: 14,
        attention: 'of what attention added: 10 heads 81 %, 25 rows of W_O 34 %, bias 2.0 %',
        feedForward: 'the feed-forward is not taken apart: it has experts',
        streams: [],
      },
    ]);
  });

  it('count heads that attend to an encoder apart from the others', () => {
    const sum = { ...SUM, layer: 14, added_norm: 20, rest_norm: 1, bias: 0, rest: 0.1 };
    const head = graph.baseline.nodes.find(({ kind }) => kind === 'head');
    if (!head) throw new Error('the example has no head');
    const nodes = [head, { ...head, id: 'L14.X1' }, { ...head, id: 'L14.X2' }];
    const sums = [
      { ...sum, branch: 'attn' as const, heads: 0.9, shown: null },
      { ...sum, branch: 'cross' as const, heads: 0.8, shown: null },
    ];
    const [found] = completeness({ ...graph.baseline, nodes, sums });
    expect(found?.attention).toBe('of what attention added: 1 head 90 %');
    expect(found?.cross).toBe('of what attention to the encoder added: 2 heads 80 %');
  });

  it('say of latents how much they explain, of a branch and of the stream', () => {
    const sum = { ...SUM, layer: 14, added_norm: 20, rest_norm: 1, bias: 0.02, rest: 0.1 };
    const found = { active: 32, latents: 18, shown: 0.5, error: 0.38 };
    const sums = [
      { ...sum, ...found, branch: 'mlp' as const, heads: null, site: 'L14.mlp_out' },
      { ...sum, ...found, branch: 'stream' as const, heads: null, site: 'L14.resid_post' },
    ];
    const [said] = completeness({ ...graph.baseline, sums });
    const words =
      '18 of 32 active latents 50 %, bias 2.0 %, other latents 10 %, not explained 38 %';
    expect(said?.feedForward).toBe(`of L14.mlp_out: ${words}`);
    expect(said?.streams).toEqual([`of L14.resid_post: ${words}`]);
  });

  it('give a latent of the stream its share, and the stream none of it', () => {
    const [stream] = graph.baseline.nodes.filter(({ kind }) => kind === 'resid_post');
    if (!stream) throw new Error('the example has no stream');
    const latent = { ...NODE, ...stream, id: 'L14.F7', kind: 'latent' as const, site: stream.id };
    const link = { ...LINK, source: stream.id, target: latent.id, share: 0.3 };
    const side = sideOf({
      ...graph.baseline,
      nodes: [stream, latent],
      links: [{ ...link, id: `${link.source}>${link.target}`, kind: 'latent', width: 1 }],
    });
    expect([shareOf(latent, side), shareOf(stream, side)]).toEqual([0.3, null]);
  });

  it('compare what was measured with what was attributed', () => {
    expect([
      agreement(-2, -1),
      agreement(-2, 1),
      agreement(-2, -0.01),
      agreement(0, -1),
      agreement(0, 0),
    ]).toEqual(['× 0.50', 'the other way', 'nothing of it', 'not attributed', 'both nothing']);
  });
});

describe('the table', () => {
  it('has a line for every box and band of both sides, as wide as its head', () => {
    const graph = decodeFlow(flowExample({}, 0.5));
    const [head, ...lines] = flowTable(graph);
    const { nodes, links } = graph.baseline;
    expect(lines).toHaveLength(2 * (nodes.length + links.length));
    expect(new Set(lines.map((line) => line.length))).toEqual(new Set([head?.length]));
  });

  it('names both ends of a band', () => {
    const { baseline } = decodeFlow(flowExample());
    const link = baseline.links.find(({ kind }) => kind === 'branch');
    expect(link && linkEnds(link, baseline)).toBe('attn_out of layer 14 → resid_mid of layer 14');
  });
});

describe('Python', () => {
  const spec: Spec = {
    ...DEFAULTS,
    prompt: 'The capital of Japan is the city of',
    target: ' Tokyo',
    edits: [
      cutEdit({ operation: 'zero', target: 'L14.H7@7' }),
      cutEdit({ operation: 'cut', target: 'L14.z448@7' }),
      cutEdit({ operation: 'zero', target: 'L14.H1@7<3' }),
      edit('L3.N2', 'scale', 2),
    ],
    flow: { ...FLOW, layers: [10, 14], n_heads: 0, include: ['L14.N3'], palette: 'visit' },
  };

  it('draws both runs and measures the cuts', () => {
    expect(flowPython(page('gpt2-medium', spec, 7, 24))).toBe(`import unembed as ue

model = ue.load("gpt2-medium")
prompt = "The capital of Japan is the city of"
capture = [*ue.flow_capture(model, [10, 14], 7), *ue.cut_capture(model, "L14.z448")]
baseline = model.run(prompt, capture=capture)
edits = [
    ue.zero("L14.H7", positions=[7]),
    *ue.cut(baseline, "L14.z448", position=7),
    ue.zero("L14.H1@7<3"),
    ue.scale("L3.N2", 2),
]
graph = ue.flow_graph(baseline, [10, 14], target=" Tokyo", position=7, options=ue.FlowOptions(n_heads=0, include=("L14.N3",)))
print(graph.to_pandas())
print(graph.links_to_pandas())
edited = model.run(prompt, edits=edits, capture=capture)
changed = ue.flow_graph(edited, [10, 14], target=" Tokyo", position=7, options=ue.FlowOptions(n_heads=0, include=("L14.N3",)), like=graph)
print(changed.to_pandas())
print(ue.measure_cuts(baseline, ["L14.H7", "L14.z448", "L14.H1@7<3"], position=7, target=" Tokyo"))
# graph.plot(palette="visit")  # the picture
# graph.to_html(palette="visit", path="flow.html")  # a page of its own
`);
  });

  it('has one run where nothing is edited', () => {
    const written = flowPython(page('gpt2', { ...spec, edits: [], target: '' }, 7, 24));
    expect(written).toContain('\nrun = model.run(prompt, capture=capture)\n');
    expect(written).toContain('graph = ue.flow_graph(run, [10, 14], position=7, ');
    expect(written).not.toContain('like=');
    expect(predictionsPython(page('gpt2', { ...spec, edits: [] }, 4))).toContain(
      '\nrun = model.run(prompt, capture=capture)\n',
    );
  });

  it('patches from another prompt of the same source, or of its own', () => {
    const from = { prompt: 'Das', positions: [0] };
    const made = (source: object) =>
      lensPython(
        page('t5', {
          ...spec,
          source: 'The house',
          edits: [{ ...edit('L1.mlp', 'patch'), source: { ...from, ...source } }],
        }),
      );
    expect(made({})).toContain('model.run(ue.Sourced("The house", "Das"), capture=');
    expect(made({ source: 'A dog' })).toContain('model.run(ue.Sourced("A dog", "Das"), capture=');
  });

  it('patches from a sentence pair', () => {
    const source = { prompt: 'It rains.', positions: null, pair: 'It is wet.' };
    const edits = [{ ...edit('L1.mlp', 'patch'), source }];
    expect(lensPython(page('bert', { ...spec, edits }))).toContain(
      'model.run(ue.SentencePair("It rains.", "It is wet."), capture=',
    );
  });

  it('measures cuts in the unedited run in other views, too', () => {
    const written = lensPython(page('gpt2', spec));
    expect(written).toContain('capture = ue.cut_capture(model, "L14.z448")\nbaseline = ');
    expect(written).toContain('*ue.cut(baseline, "L14.z448", position=7),');
  });
});
