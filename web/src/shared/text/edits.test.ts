import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEdit, encodeEdit } from './editUrl';
import {
  describeOperation,
  edit,
  formatPositions,
  parsePairs,
  parsePositions,
  parseValue,
  type Edit,
} from './edits';
import { editProblem, type EditModel } from './editProblem';

const MODEL = { n_layers: 18, n_heads: 4, d_mlp: 2048, d_model: 640, d_head: 256 };

describe('positions', () => {
  it('read back as they are written', () => {
    const positions = fc
      .uniqueArray(fc.integer({ min: -9, max: 99 }), { minLength: 1 })
      .map((list) => list.toSorted((a, b) => a - b));
    fc.assert(
      fc.property(
        positions,
        (list) => void expect(parsePositions(formatPositions(list))).toEqual(list),
      ),
    );
  });

  it('are every position where nothing is written', () => expect(parsePositions('  ')).toBeNull());

  it.each(['a', '3-', '5-3', '1,,2', '1.5', '0-99999', '-3-5'])(
    '%j is refused with a sentence',
    (text) => {
      expect(typeof parsePositions(text)).toBe('string');
    },
  );
});

describe('values', () => {
  it.each([
    ['2', 2],
    ['−0.5', -0.5],
    ['1, 2,3', [1, 2, 3]],
  ])('%j is %j', (text, value) => expect(parseValue(text)).toEqual(value));

  it.each(['', 'two', '1,', 'NaN', 'Infinity', '1e999'])(
    '%j is refused with a sentence',
    (text) => {
      expect(typeof parseValue(text)).toBe('string');
    },
  );
});

describe('edits', () => {
  const cases: Array<[Edit, string | null]> = [
    [edit('L9.H3'), null],
    [edit('L9.H4'), 'target'],
    [edit('L9.H3', 'scale'), 'value'],
    [edit('L9.H3', 'scale', [1, 2]), 'value'],
    [edit('L9.H3', 'set_to', 1), null],
    [edit('L9.H3', 'add', [1, 2]), 'value'],
    [edit('L9.H3', 'on'), 'target'],
    [edit('L9.N3', 'on'), null],
    [edit('L9.N3', 'lmd_on'), null],
    [edit('L9.H3', 'patch'), 'source'],
    [{ ...edit('L9.H3', 'patch'), source: { prompt: 'Paris', positions: null } }, null],
    [{ ...edit('L9.H3', 'patch'), source: { prompt: '', positions: null, source: 'x' } }, null],
    [edit('L9.H3', 'zero', 1), 'value'],
    [{ ...edit('L9.N3', 'on'), sign: -1 as const }, null],
    [{ ...edit('L9.N3'), sign: -1 as const }, 'sign'],
    [{ ...edit('L9.N3', 'lmd_on'), stage: 'pre' as const }, 'stage'],
    [{ ...edit('L9.H3@4<2'), positions: [4] }, 'positions'],
    [{ ...edit('L9.z3', 'cut'), positions: [3, 4] }, 'positions'],
  ];
  it.each(cases)('%j: the field at fault is %s', (made, field) => {
    expect(editProblem(made, MODEL)?.field ?? null).toBe(field);
  });

  it('are described in a few signs', () => {
    expect(
      [edit('a'), edit('a', 'scale', 2), edit('a', 'set_to', 0.5), edit('a', 'add', [1, 2])].map(
        describeOperation,
      ),
    ).toEqual(['off', '× 2', '= 0.5', '+ [2 numbers]']);
    expect(describeOperation(edit('a', 'scale', -1))).toBe('× −1');
    expect(describeOperation(edit('a', 'lmd_on'))).toBe('LM-Debugger on');
    expect(describeOperation({ ...edit('a', 'on'), sign: -1 })).toBe('on, negative');
  });
});

describe('masks', () => {
  const one = { ...edit('embed', 'mask'), positions: [5] };

  it('are for models that have a mask token', () => {
    const capabilities = [{ name: 'mask', available: true }];
    expect(editProblem(one, { ...MODEL, capabilities })).toBeNull();
    expect(editProblem(one, MODEL)?.field).toBe('target');
    expect(editProblem(edit('embed', 'mask'), { ...MODEL, capabilities })?.field).toBe('positions');
    expect(editProblem({ ...one, target: 'L1.mlp' }, { ...MODEL, capabilities })?.field).toBe(
      'target',
    );
    expect(describeOperation(one)).toBe('masked');
  });
});

describe('pairs of query and key', () => {
  const made = { ...edit('L9.H3', 'knock_out'), pairs: [[4, 2] as [number, number]] };

  it('are named in one way', () => {
    expect(editProblem(made, MODEL)).toBeNull();
    expect(editProblem({ ...made, target: 'L9.attn', renormalise: true }, MODEL)).toBeNull();
    expect(editProblem({ ...made, pairs: null, between: 'across' }, MODEL)).toBeNull();
    expect(editProblem({ ...made, target: 'L9.H3@4<2', pairs: null }, MODEL)).toBeNull();
    expect(editProblem({ ...made, pairs: null }, MODEL)?.field).toBe('pairs');
    expect(editProblem({ ...made, between: 'across' }, MODEL)?.field).toBe('pairs');
    expect(editProblem({ ...made, target: 'L9.mlp' }, MODEL)?.field).toBe('target');
    expect(editProblem({ ...made, target: 'L9.H3@4' }, MODEL)?.field).toBe('target');
  });

  it('are read and written as people do', () => {
    expect(parsePairs(' 14<3, -1 < 0')).toEqual([
      [14, 3],
      [-1, 0],
    ]);
    expect(parsePairs('')).toBeNull();
    expect(parsePairs('14-3')).toContain('no pair');
    expect(parsePairs('1<0,2<0', 1)).toContain('At most 1');
    expect(describeOperation({ ...made, renormalise: true })).toBe('without 4<2, renormalised');
    const pairs = [0, 1, 2, 3, 4].map((key) => [4, key] as [number, number]);
    expect(describeOperation({ ...made, pairs })).toBe('without 5 pairs');
  });
});

describe('made-up edits of the address', () => {
  interface Row {
    edit: Omit<Edit, 'enabled'>;
    /** The part that the server refuses; null: it takes the edit. */
    refused: string | null;
  }
  const file = new URL('../../../../tests/server/edits.json', import.meta.url);
  const made = JSON.parse(readFileSync(file, 'utf8')) as { model: EditModel; edits: Row[] };

  it.each(made.edits)('$edit.operation $edit.target: $refused', ({ edit: part, refused }) => {
    const whole = { ...part, enabled: true };
    const read = decodeEdit(encodeEdit(whole));
    const problem = read === null ? 'unreadable' : editProblem(read, made.model);
    expect(problem === null).toBe(refused === null);
    // One number and a list of one are the same edit, and the same in the address.
    const value =
      Array.isArray(whole.value) && whole.value.length === 1 ? whole.value[0] : whole.value;
    if (refused === null) expect(read).toEqual({ ...whole, value });
  });
});
