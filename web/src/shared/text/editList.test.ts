import { describe, expect, it } from 'vitest';
import { cutAt, cutEdit, editsOf, switched, switchOf } from './editList';
import { editProblem } from './editProblem';
import { edit, whereWords } from './edits';

const MODEL = { n_layers: 18, n_heads: 4, d_mlp: 2048, d_model: 640, d_head: 256 };

describe('switches', () => {
  const others = [edit('L1.H1'), { ...edit('L2.N7'), positions: [3] }, edit('L2.N7', 'scale', 2)];

  it('stand beside edits of another kind', () => {
    const made = switched(others, 'L2.N7', 'on');
    expect(made).toEqual([...others, edit('L2.N7', 'on')]);
    expect(switchOf(made, 'L2.N7')).toBe('on');
    expect(switchOf(others, 'L2.N7')).toBeNull();
  });

  it('take the place of each other', () => {
    const made = switched(switched(others, 'L1.H1', 'lmd_off'), 'L1.H1', 'lmd_on');
    expect(made).toEqual([edit('L1.H1', 'lmd_on'), ...others.slice(1)]);
  });

  it('with the other sign is another one, which the switch takes the place of', () => {
    const negative = [{ ...edit('L2.N7', 'on'), sign: -1 as const }];
    expect(switchOf(negative, 'L2.N7')).toBeNull();
    expect(switched(negative, 'L2.N7', 'on')).toEqual([edit('L2.N7', 'on')]);
  });

  it('are taken back by the same switch, and turned on again where the card was off', () => {
    expect(switched(others, 'L1.H1', 'zero')).toEqual(others.slice(1));
    const off = [{ ...edit('L1.H1'), enabled: false }];
    expect(switchOf(off, 'L1.H1')).toBeNull();
    expect(switched(off, 'L1.H1', 'zero')).toEqual([edit('L1.H1')]);
  });

  it('count every edit of the node, one pair of query and key too', () => {
    const made = [...others, edit('L1.H1@4<2')];
    expect(editsOf(made, 'L1.H1').map(({ index }) => index)).toEqual([0, 3]);
  });
});

describe('cuts of the flow graph', () => {
  const head = { operation: 'zero' as const, target: 'L14.H7@8' };
  const row = { operation: 'cut' as const, target: 'L14.z448@8' };
  const pair = { operation: 'zero' as const, target: 'L14.H7@8<3' };

  it('are edits at one position', () => {
    expect(cutEdit(head)).toEqual({ ...edit('L14.H7'), positions: [8] });
    expect(cutEdit(row)).toEqual({ ...edit('L14.z448', 'cut'), positions: [8] });
    expect(cutEdit(pair)).toEqual(edit('L14.H7@8<3'));
  });

  it('are found again, whoever made the edit', () => {
    for (const cut of [head, row, pair]) expect(cutAt([cutEdit(cut)], cut, 9)).toBe(0);
    expect(cutAt([edit('L14.H7')], head, 9)).toBe(0);
    expect(cutAt([{ ...edit('L14.H7'), positions: [-1] }], head, 9)).toBe(0);
    expect(cutAt([{ ...edit('L14.H7'), positions: [-1] }], head, 10)).toBe(-1);
    expect(cutAt([{ ...cutEdit(head), enabled: false }, cutEdit(row)], head, 9)).toBe(-1);
  });

  it('say where they act, once', () => {
    expect([head, pair].map((cut) => whereWords(cutEdit(cut)))).toEqual(['@ 8', '']);
    expect(whereWords(edit('L14.H7'))).toBe('everywhere');
  });

  it('must name what the model has', () => {
    expect(editProblem(cutEdit(row), MODEL)).toBeNull();
    expect(editProblem(edit('L99.z448', 'cut'), MODEL)?.field).toBe('target');
    expect(editProblem(edit('L9.attn', 'cut'), MODEL)?.field).toBe('target');
  });
});
