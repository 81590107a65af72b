import { describe, expect, it, vi } from 'vitest';
import { page } from '../shared/pageExample';

const ADDED = { kind: 'integer', default: 3, low: 1, high: 9 };

vi.mock('../questions.gen', async (load) => {
  const { QUESTIONS, ...rest } = await load<typeof import('../questions.gen')>();
  const { lens, flow } = QUESTIONS;
  return {
    ...rest,
    QUESTIONS: {
      ...QUESTIONS,
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
const { flowBody } = await import('../views/flow/flowState');
const { flowPython } = await import('../views/flow/python');

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

  it('is in the address, in the request and in the Python of the flow graph', () => {
    const spec = read('v=1&view=flow&p=Hi&flow.made_up=b');
    expect(flowBody(spec.flow, '', 12)).toMatchObject({ made_up: 'b' });
    expect(flowPython(page('gpt2', spec))).toContain('options=ue.FlowOptions(made_up="b")');
    expect(flowPython(page('gpt2', DEFAULTS))).not.toContain('made_up');
    expect(decodeSpec('flow.made_up=c').problems).toHaveLength(1);
  });

  it('has its default and its choices from there', () => {
    expect(DEFAULTS.lens.layer_step).toBe(2);
    expect(lensOptions({ ...DEFAULTS.lens, layer_step: 1 })).toEqual({ layer_step: 1 });
    expect(read('v=1&of=made').follow).toBe('made');
  });
});
