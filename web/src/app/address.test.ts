import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTarget, type Target } from '../shared/text/address';
import {
  CHOOSABLE,
  fitsKind,
  forNeurons,
  takesPairs,
  takesSign,
  takesStage,
  takesValue,
  type Edit,
} from '../shared/text/edits';
import { cutEdit } from '../shared/text/editList';
import { ATTENTION } from '../views/attention/attentionState';
import { FLOW } from '../views/flow/flowState';
import { roundWidth } from '../draw/zoom';
import { FOLLOWS, MODES, type Spec } from '../shared/text/url';
import { KINDS, LENS, TEXTS } from '../views/lens/lensState';
import { VIEWS } from '../views';
import { decodeSpec, DEFAULTS, encodeSpec } from './address';
import { attention } from '../views/attention/attentionStateExample';
import { attribution } from '../views/attribution/attributionStateExample';
import { corpus } from '../views/corpus/corpusStateExample';
import { patching } from '../views/patching/patchingStateExample';
import { circuit } from '../views/circuit/circuitStateExample';
import { graph } from '../views/graph/graphStateExample';
import { latents } from '../views/latents/latentsStateExample';
import { explore } from '../views/explore/exploreExample';
import { flow, flowName } from '../views/flow/flowStateExample';

const count = fc.nat({ max: 9999 });
const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
const node: fc.Arbitrary<Target> = fc.oneof(
  fc.record({ kind: fc.constant('head' as const), layer: count, head: count }),
  fc.record({ kind: fc.constant('neuron' as const), layer: count, neuron: count }),
  fc.record({ kind: fc.constantFrom('attn' as const, 'mlp' as const), layer: count }),
  fc.constant<Target>({ kind: 'embed' }),
);
const target: fc.Arbitrary<Target> = fc.oneof(
  node,
  fc.record({
    kind: fc.constant('head' as const),
    layer: count,
    head: count,
    query: count,
    key: count,
  }),
  fc.record({
    kind: fc.constant('site' as const),
    layer: count,
    site: fc.constantFrom('resid_pre', 'resid_post'),
  }),
);
const number = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((value) => !Object.is(value, -0));
const positions = fc
  .uniqueArray(fc.integer({ min: -50, max: 5000 }), { minLength: 1, maxLength: 20 })
  .map((list) => list.toSorted((a, b) => a - b));
const PLAIN = CHOOSABLE.filter(
  (name) => !forNeurons(name) && name !== 'mask' && name !== 'knock_out',
);
const edited: fc.Arbitrary<Pick<Edit, 'target' | 'operation' | 'positions'>> = fc.oneof(
  fc.record({
    target: target.map(formatTarget),
    operation: fc.constantFrom(...PLAIN),
    positions: fc.option(positions),
  }),
  fc.record({
    target: fc.tuple(count, count).map(([layer, neuron]) => `L${layer}.N${neuron}`),
    operation: fc.constantFrom(...CHOOSABLE.filter((name) => fitsKind(name, 'neuron'))),
    positions: fc.option(positions),
  }),
  fc.record({
    target: fc.constant('embed'),
    operation: fc.constant('mask' as const),
    positions,
  }),
  fc.record({
    target: fc.tuple(count, count).map(([layer, head]) => `L${layer}.H${head}`),
    operation: fc.constant('knock_out' as const),
    positions: fc.constant(null),
  }),
  fc.record({
    target: flowName,
    operation: fc.constant('cut' as const),
    positions: fc.option(fc.nat({ max: 5000 }).map((position) => [position])),
  }),
);
const edit: fc.Arbitrary<Edit> = fc
  .record({
    value: fc.oneof(number, fc.array(number, { minLength: 2, maxLength: 5 })),
    stage: fc.constantFrom('pre' as const, 'post' as const),
    sign: fc.constantFrom(1 as const, -1 as const),
    source: fc.record(
      {
        prompt: text.filter((prompt) => prompt !== ''),
        positions: fc.option(positions),
        source: text.filter((source) => source !== ''),
      },
      { requiredKeys: ['prompt', 'positions'] },
    ),
    pairs: fc.array(fc.tuple(count, count), { minLength: 1, maxLength: 5 }),
    between: fc.constantFrom(null, 'within' as const, 'across' as const),
    renormalise: fc.boolean(),
    enabled: fc.boolean(),
    edited,
  })
  .map(({ edited: what, value, stage, sign, source, pairs, between, renormalise, enabled }) => ({
    ...what,
    pairs: takesPairs(what.operation) && between === null ? pairs : null,
    between: takesPairs(what.operation) ? between : null,
    renormalise: takesPairs(what.operation) && renormalise,
    positions: what.target.includes('@') && what.operation !== 'cut' ? null : what.positions,
    value: takesValue(what.operation)
      ? what.operation === 'scale' && Array.isArray(value)
        ? (value[0] ?? 1)
        : value
      : null,
    stage: takesStage(what.operation) && /^L\d+\.N\d+$/.test(what.target) ? stage : 'post',
    sign: takesSign(what.operation) ? sign : 1,
    source: what.operation === 'patch' ? source : null,
    enabled,
  }));
const spec: fc.Arbitrary<Spec> = fc.record({
  view: fc.constantFrom(...VIEWS.map(({ id }) => id)),
  prompt: text,
  source: text,
  pair: text,
  chat: fc.boolean(),
  target: text,
  distractor: text,
  edits: fc.array(edit, { maxLength: 4 }),
  position: fc.option(fc.nat({ max: 100_000 })),
  row: fc.option(
    fc.oneof(
      fc.constant('embed'),
      count.map((layer) => `L${layer}.resid_mid`),
      count.map((layer) => `L${layer}.resid_pre+attn_out`),
    ),
  ),
  node: fc.option(node.map(formatTarget)),
  mode: fc.constantFrom(...MODES),
  follow: fc.constantFrom(...FOLLOWS),
  positions: fc.option(positions),
  table: fc.boolean(),
  flipped: fc.boolean(),
  k: fc.integer({ min: 1, max: 100 }),
  width: fc.option(fc.double({ min: 1, max: 200, noNaN: true }).map((width) => roundWidth(width))),
  generation: fc.option(
    fc.record({
      tokens: fc.integer({ min: 1, max: 512 }),
      temperature: fc.constantFrom(0, 0.7, 10),
      seed: fc.nat(),
    }),
  ),
  further: fc.constant(DEFAULTS.further),
  attention,
  attribution,
  circuit,
  component: fc.record({ text: fc.constantFrom(...TEXTS) }),
  graph,
  latents,
  corpus,
  explore,
  flow,
  patching,
  lens: fc.record({
    kind: fc.constantFrom(...KINDS),
    text: fc.constantFrom(...TEXTS),
    include_embedding: fc.boolean(),
    layer_step: fc.integer({ min: 1, max: 999 }),
    subblocks: fc.boolean(),
    decoder: fc.oneof(
      fc.constantFrom('final_norm', 'last_mlp', 'last_block'),
      fc.tuple(count, fc.boolean()).map(([layer, mlp]) => `L${layer}${mlp ? '.mlp' : ''}`),
      fc.constant<string[]>(['h.2', 'final_layernorm', 'lm_head']),
    ),
    clipped: fc.boolean(),
  }),
  predictions: fc.record({
    open: fc.oneof(
      fc.constant('all' as const),
      fc
        .uniqueArray(fc.nat({ max: 200 }), { maxLength: 9 })
        .map((layers) => layers.toSorted((a, b) => a - b)),
    ),
    parts: fc.integer({ min: 1, max: 50 }),
  }),
});

describe('the address bar', () => {
  it('reads the names of older links', () => {
    expect(decodeSpec('#v=1&view=lens&p=Hi&colour=rank&sub=1&w=48')).toEqual({
      spec: {
        ...DEFAULTS,
        view: 'lens',
        prompt: 'Hi',
        lens: { ...LENS, kind: 'rank', subblocks: true },
        width: 48,
        edits: [],
      },
      problems: [],
    });
  });

  it('says in few letters what a lens reads', () => {
    const lens: Spec = {
      ...DEFAULTS,
      view: 'lens',
      lens: { ...LENS, layer_step: 2, include_embedding: false, decoder: 'last_block' },
      follow: 'next',
      positions: [75, 76, 77, 120],
    };
    expect(encodeSpec(lens)).toBe('v=1&view=lens&of=next&at=75-77,120&step=2&emb=0&dec=last_block');
    const modules = { ...LENS, decoder: ['h.2.mlp', 'final_layernorm', 'lm_head'] };
    const address = 'v=1&view=lens&dec=h.2.mlp,final_layernorm,lm_head';
    expect(encodeSpec({ ...DEFAULTS, view: 'lens', lens: modules })).toBe(address);
    expect(decodeSpec(address).spec.lens).toEqual(modules);
  });

  it('reads back every state that it wrote', () => {
    fc.assert(
      fc.property(
        spec,
        (state) =>
          void expect(decodeSpec(encodeSpec(state))).toEqual({ spec: state, problems: [] }),
      ),
      { numRuns: 500 },
    );
  });

  it('survives a browser that parses and writes the URL', () => {
    fc.assert(
      fc.property(spec, (state) => {
        const url = new URL('http://127.0.0.1:8420/');
        url.hash = encodeSpec(state);
        expect(decodeSpec(new URL(url.href).hash).spec).toEqual(state);
      }),
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.webQueryParameters()),
        (garbage) => void decodeSpec(`#${garbage}`),
      ),
    );
  });

  it('is empty at the start, and carries a version otherwise', () => {
    expect(encodeSpec({ ...DEFAULTS })).toBe('');
    expect(encodeSpec({ ...DEFAULTS, prompt: 'The capital of Japan' })).toBe(
      'v=1&p=The+capital+of+Japan',
    );
  });

  it('stays readable', () => {
    const edits: Edit[] = [
      {
        target: 'L9.H6',
        operation: 'scale',
        value: 2,
        positions: [3, 4, 5, 9],
        stage: 'post',
        sign: 1,
        source: null,
        pairs: null,
        between: null,
        renormalise: false,
        enabled: false,
      },
    ];
    expect(encodeSpec({ ...DEFAULTS, edits })).toBe('v=1&e=L9.H6;scale;2;p=3-5,9;off');
  });

  it('says in few letters which heads are shown, and how', () => {
    const state: Spec = {
      ...DEFAULTS,
      view: 'attention',
      attention: {
        ...ATTENTION,
        picks: [
          { part: 'self', layer: 4, head: null, weight: 1 },
          { part: 'self', layer: 5, head: 1, weight: 0.5 },
        ],
        measure: 'moved',
        mass: 0.9,
        queries: [7, 8, 9],
        focus: { side: 'key', position: 3 },
      },
    };
    const address = 'v=1&view=attention&ah=L4,L5.H1*0.5&aq=7-9&afat=k3&am=moved&amass=0.9';
    expect(encodeSpec(state)).toBe(address);
    expect(decodeSpec(address)).toEqual({ spec: state, problems: [] });
  });

  it('says in few letters what a flow graph shows, and what is cut of it', () => {
    const cut = cutEdit({ operation: 'cut', target: 'L14.z448@7' });
    const state: Spec = {
      ...DEFAULTS,
      view: 'flow',
      edits: [cut],
      flow: { ...FLOW, layers: [10, 14], n_heads: 0, hidden: ['biases'], focus: 'L14.z448' },
    };
    expect(encodeSpec(state)).toBe(
      'v=1&view=flow&e=L14.z448;cut;p=7&fl=10,14&fh=0&fhide=biases&fat=L14.z448',
    );
  });

  it.each([
    ['v=2', 'v=2'],
    ['p=%E0%A4%A', 'p=%E0%A4%A'],
    ['view=attentive', 'view=attentive'],
    ['ah=', 'ah='],
    ['ah=L5.N1', 'ah=L5.N1'],
    ['ah=L5.H1*x', 'ah=L5.H1*x'],
    ['aq=9-3', 'aq=9-3'],
    ['amass=1.5', 'amass=1.5'],
    ['am=heat', 'am=heat'],
    ['afat=x3', 'afat=x3'],
    ['pos=-1', 'pos=-1'],
    ['pos=1e9', 'pos=1e9'],
    ['k=101', 'k=101'],
    ['e=L9.H6;explode', 'e=L9.H6;explode'],
    ['e=L9.H6;scale;NaN', 'e=L9.H6;scale;NaN'],
    ['e=nonsense;zero', 'e=nonsense;zero'],
    ['e=L9.H6;zero;2', 'e=L9.H6;zero;2'],
    ['e=L9.H6;scale', 'e=L9.H6;scale'],
    ['e=L9.H6;scale;1,2', 'e=L9.H6;scale;1,2'],
    ['e=L9.N6;on;3', 'e=L9.N6;on;3'],
    ['e=L9.H6;on', 'e=L9.H6;on'],
    ['e=L9.H6;zero;s=pre', 'e=L9.H6;zero;s=pre'],
    ['e=L9.N6;on;s=pre', 'e=L9.N6;on;s=pre'],
    ['e=L9.N6;on;sign=-2', 'e=L9.N6;on;sign=-2'],
    ['e=L9.N6;zero;sign=-1', 'e=L9.N6;zero;sign=-1'],
    ['e=L9.H6;zero;from=Hi', 'e=L9.H6;zero;from=Hi'],
    ['e=L9.H6;patch', 'e=L9.H6;patch'],
    ['e=L9.H6;patch;from=', 'e=L9.H6;patch;from='],
    ['e=L9.H6;patch;from=Hi;take=median', 'e=L9.H6;patch;from=Hi;take=median'],
    ['e=L9.H6;patch;from=Hi;at=1;take=drawn', 'e=L9.H6;patch;from=Hi;at=1;take=drawn'],
    ['e=L9.H6@3;zero;p=3', 'e=L9.H6@3;zero;p=3'],
    ['e=L9.H6;cut;p=3,4', 'e=L9.H6;cut;p=3,4'],
    ['node=L5.resid_post', 'node=L5.resid_post'],
    ['node=<script>', 'node=<script>'],
    ['gen=0,0,0', 'gen=0,0,0'],
    ['kind=colour', 'kind=colour'],
    ['step=0', 'step=0'],
    ['dec=final', 'dec=final'],
    ['dec=L3.attn', 'dec=L3.attn'],
    ['of=nothing', 'of=nothing'],
    ['at=9-3', 'at=9-3'],
    ['at=', 'at='],
    ['open=-3', 'open=-3'],
    ['open=every', 'open=every'],
    ['open=0-99999', 'open=0-99999'],
    ['parts=0', 'parts=0'],
    ['parts=51', 'parts=51'],
    ['w=0.5', 'w=0.5'],
    ['w=12.345', 'w=12.345'],
    ['e=L9.H6;cut;p=3;x', 'e=L9.H6;cut;p=3;x'],
    ['e=L9.attn;cut', 'e=L9.attn;cut'],
    ['e=L9.H6.value@3;zero', 'e=L9.H6.value@3;zero'],
    ['fl=', 'fl='],
    ['fl=-1', 'fl=-1'],
    ['fl=0-99', 'fl=0-99'],
    ['fv=0', 'fv=0'],
    ['fmin=-1', 'fmin=-1'],
    ['fin=L9.attn', 'fin=L9.attn'],
    ['fhide=everything', 'fhide=everything'],
    ['fat=<script>', 'fat=<script>'],
    ['unheard=of', 'unheard'],
    ['__proto__=1', '__proto__'],
    ['constructor=1', 'constructor'],
  ])('keeps the good parts and names the bad one: %s', (bad, named) => {
    const { spec: state, problems } = decodeSpec(`#v=1&p=Hello&${bad}&k=20`);
    expect(state).toEqual({ ...DEFAULTS, prompt: 'Hello', k: 20, edits: [] });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(named);
  });
});
