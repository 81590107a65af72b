import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseRow, rowLabel, writerOf } from '../../draw/residual';
import { KINDS } from '../../nodes.gen';
import {
  checkTarget,
  describeFlow,
  describeTarget,
  mixerOf,
  flowLayer,
  flowMisfit,
  formatTarget,
  hasPage,
  hasVector,
  isFlowName,
  isOfEncoder,
  parseTarget,
} from './address';

const MODEL = { n_layers: 18, n_heads: 4, d_mlp: 2048 };
const ATTACHED = {
  ...MODEL,
  attached: [
    { layer: 6, stem: 'L6.F', n_latents: 4096 },
    { layer: 6, stem: 'L6.mlp_out.F', n_latents: 9 },
  ],
};
const READER = { ...MODEL, n_encoder_layers: 6, heads: { self: [4], encoder: [4, 8] } };

describe('targets', () => {
  it.each([
    ['L9.H6', 'L9.H6'],
    ['l9.h6', 'L9.H6'],
    ['L12D512', 'L12.N512'],
    ['L12.N512', 'L12.N512'],
    ['L9.H6@14', 'L9.H6@14'],
    ['L9.H6@14<3', 'L9.H6@14<3'],
    ['L5.attn', 'L5.attn'],
    ['L5.MLP', 'L5.mlp'],
    ['embed', 'embed'],
    ['L5.resid_post', 'L5.resid_post'],
    ['L5.z', 'L5.z'],
    ['l5.h2.q', 'L5.H2.q'],
  ])('%s is %s', (written, name) => {
    const target = parseTarget(written);
    expect(target && formatTarget(target)).toBe(name);
  });

  it.each([
    '',
    'L9',
    'H6',
    'L9.Y6',
    'L9.H',
    'L-1.H0',
    'L9.H6@',
    'L5.attn@3<1',
    'L9.H6 L9.H7',
    'L99999.H0',
    'L5.H2.value',
    'L5.zz',
  ])('%j is none', (written) => {
    expect(parseTarget(written)).toBeNull();
  });

  it.each([
    ['L18.H0', 'layers 0–17'],
    ['L0.H4', 'heads 0–3'],
    ['L0.H4.q', 'heads 0–3'],
    ['L0.N2048', 'neurons 0–2047'],
    ['what', 'L9.H6'],
  ])('%s: the refusal says what there is', (written, said) => {
    const checked = checkTarget(written, MODEL);
    expect('problem' in checked && checked.problem).toContain(said);
  });
});

describe('nodes of an encoder that reads a source', () => {
  it('are named and described as such, and have no page', () => {
    for (const name of ['E5.H2', 'E5.attn', 'E3.N7', 'E0.mlp', 'E5.resid_mid', 'E5.H2@4<3']) {
      const target = parseTarget(name.toLowerCase());
      expect(target && formatTarget(target)).toBe(name);
      expect(target && isOfEncoder(target)).toBe(true);
      expect(target && hasPage(target)).toBe(false);
      expect(target && describeTarget(target)).toContain('of the encoder');
    }
    expect(parseTarget('E5.cross')).toBeNull();
    expect(parseTarget('E5.X2')).toBeNull();
  });

  it.each([
    ['E5.H2', READER, null],
    ['E5.H7', READER, null],
    ['E5.H8', READER, 'heads 0–7'],
    ['E6.H0', READER, 'its encoder has layers 0–5'],
    ['L6.H0', READER, null],
    ['E5.H2', MODEL, 'no encoder'],
  ])('%s is in the model, or it is said what is', (name, model, said) => {
    const checked = checkTarget(name, model);
    if (said === null) expect(checked).toHaveProperty('target');
    else expect('problem' in checked && checked.problem).toContain(said);
  });
});

describe('what mixes tokens in a layer', () => {
  it('is attention, or where there is none the mixer', () => {
    const hybrid = { attention_layers: [1] };
    expect([0, 1].map((layer) => mixerOf(layer, hybrid))).toEqual(['mixer', 'attn']);
    expect(mixerOf(0, null)).toBe('attn');
    const row = parseRow('L0.resid_mid');
    expect(row && writerOf(row, mixerOf(0, hybrid))).toBe('L0.mixer');
  });
});

describe('latents', () => {
  it('are named where an autoencoder of the layer is attached', () => {
    const target = parseTarget('l6.f77');
    expect(target).toEqual({ kind: 'latent', layer: 6, index: 77 });
    expect(target && formatTarget(target)).toBe('L6.F77');
    expect(target && describeTarget(target)).toBe('latent 77 of layer 6');
    expect(checkTarget('L6.F77', ATTACHED)).toEqual({ target });
    expect(checkTarget('L6.F4096', ATTACHED)).toEqual({
      problem: 'Latent 4096 is not in this model: layer 6 has latents 0–4095.',
    });
    expect(checkTarget('L5.F0', ATTACHED)).toEqual({
      problem: 'No autoencoder of layer 5 is attached: see unembed serve --sae.',
    });
    expect(checkTarget('L6.F77', MODEL)).toHaveProperty('problem');
    expect(hasVector(target)).toBe(true);
    const second = parseTarget('l6.MLP_out.f7');
    expect(second && formatTarget(second)).toBe('L6.mlp_out.F7');
    expect(second && describeTarget(second)).toBe('latent 7 of mlp_out in layer 6');
    expect(checkTarget('L6.mlp_out.F7', ATTACHED)).toEqual({ target: second });
    expect(checkTarget('L6.mlp_out.F9', ATTACHED)).toEqual({
      problem: 'Latent 9 is not in this model: mlp_out in layer 6 has latents 0–8.',
    });
    expect(checkTarget('L6.attn_out.F7', ATTACHED)).toHaveProperty('problem');
  });
});

describe('the names that Python reads', () => {
  interface Address {
    text: string;
    name: string | null;
    words?: string | null;
    app?: boolean;
  }
  const file = new URL('../../../../tests/engine/addresses.json', import.meta.url);
  const addresses = JSON.parse(readFileSync(file, 'utf8')) as Address[];

  it.each(addresses)('$text', ({ text, name, words, app }) => {
    const target = parseTarget(text);
    if (name === null || !app) return expect(target).toBeNull();
    expect(target && formatTarget(target)).toBe(name);
    if (words) expect(target && describeTarget(target)).toBe(words);
  });

  it('have a row for every kind that the app knows', () => {
    for (const row of KINDS.filter((one) => one.is_node)) {
      const target = parseTarget(row.example);
      expect(target?.kind).toBe(row.kind);
      expect(target && formatTarget(target)).toBe(row.example);
    }
  });
});

describe('names of the flow graph', () => {
  it.each([
    ['L14.resid_pre', 'the residual stream before layer 14'],
    ['L14.H7', 'head 7 of layer 14'],
    ['L14.H7.value@3', 'value of position 3 in head 7 of layer 14'],
    ['L14.z448', 'entry 448 of the heads’ results in layer 14'],
    ['L14.N1981.key', 'key of neuron 1981 of layer 14'],
    ['L14.heads.rest', 'heads that are not shown in layer 14'],
    ['L14.H7>L14.z', 'from head 7 of layer 14 to queries'],
  ])('%s', (name, words) => {
    expect(isFlowName(name)).toBe(true);
    expect(flowLayer(name)).toBe(14);
    expect(describeFlow(name)).toContain(
      words.replace('queries', 'the heads’ results in layer 14'),
    );
  });

  it.each(['', 'L14', 'L14.attn', 'L14.H7@8', 'L14.H7.value', 'L1.z1>L1.z2>L1.z3', 'L14.N'])(
    '%j is none',
    (name) => expect(isFlowName(name)).toBe(false),
  );

  it('are refused where the model has no such part', () => {
    expect(flowMisfit('L3.H3.value@1>L3.H3', MODEL)).toBeNull();
    expect(flowMisfit('L3.H4.query', MODEL)).toContain('heads 0–3');
    expect(flowMisfit('L18.z4', MODEL)).toContain('layers 0–17');
    expect(flowMisfit('L3.attn', MODEL)).toContain('no node or link');
  });
});

describe('rows', () => {
  it('are named in short', () => {
    expect(['embed', 'L3.resid_mid', 'L3.resid_post'].map(rowLabel)).toEqual([
      'embed',
      'L3 attn',
      'L3',
    ]);
  });

  it('know the component that leads to them', () => {
    const writers = ['embed', 'L3.resid_mid', 'L3.resid_post', 'L3.resid_pre'].map((name) => {
      const row = parseRow(name);
      return row && writerOf(row);
    });
    expect(writers).toEqual(['embed', 'L3.attn', 'L3.mlp', 'L2.mlp']);
  });
});

it('what a model does not have is refused with its reason', () => {
  const reason = 'its feed-forward is a mixture of experts, which has no single neurons';
  const model = {
    ...MODEL,
    d_mlp: 0,
    capabilities: [{ name: 'neurons', available: false, reason }],
  };
  const checked = checkTarget('L1.N3', model);
  expect('problem' in checked && checked.problem).toContain('mixture of experts');
  expect('target' in checkTarget('L1.H3', model)).toBe(true);
});
