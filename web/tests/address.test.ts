import { describe, expect, it } from 'vitest';
import {
  checkTarget,
  formatTarget,
  parseRow,
  parseTarget,
  rowLabel,
  writerOf,
} from '../src/core/address';

const MODEL = { n_layers: 18, n_heads: 4, d_mlp: 2048 };

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
  ])('%s is %s', (written, name) => {
    const target = parseTarget(written);
    expect(target && formatTarget(target)).toBe(name);
  });

  it.each([
    '',
    'L9',
    'H6',
    'L9.X6',
    'L9.H',
    'L-1.H0',
    'L9.H6@',
    'L5.attn@3<1',
    'L9.H6 L9.H7',
    'L99999.H0',
  ])('%j is none', (written) => {
    expect(parseTarget(written)).toBeNull();
  });

  it.each([
    ['L18.H0', 'layers 0–17'],
    ['L0.H4', 'heads 0–3'],
    ['L0.N2048', 'neurons 0–2047'],
    ['what', 'L9.H6'],
  ])('%s: the refusal says what there is', (written, said) => {
    const checked = checkTarget(written, MODEL);
    expect('problem' in checked && checked.problem).toContain(said);
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
