import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDraft, toDraft } from './draft';
import { decodeEdit, encodeEdit } from './editUrl';
import {
  cutAt,
  cutEdit,
  describeOperation,
  edit,
  editProblem,
  editsOf,
  formatPositions,
  maskedAt,
  parsePairs,
  parsePositions,
  parseValue,
  switched,
  switchOf,
  whereWords,
  withMask,
  type Edit,
  type EditModel,
} from './edits';

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

  it('are one edit for all tokens, made and taken back', () => {
    expect(withMask([], 5)).toEqual([one]);
    expect(withMask([edit('a'), one], 3)).toEqual([edit('a'), { ...one, positions: [3, 5] }]);
    expect(withMask([{ ...one, positions: [3, 5] }], 5)).toEqual([{ ...one, positions: [3] }]);
    expect(withMask([edit('a'), one], 5)).toEqual([edit('a')]);
    expect(withMask([edit('embed@5', 'mask')], 5)).toEqual([]);
  });

  it('that are off mask nothing', () => {
    const off = { ...one, enabled: false };
    expect(maskedAt([off, edit('embed@7', 'mask'), { ...one, positions: [9, 2] }])).toEqual([
      2, 7, 9,
    ]);
    expect(withMask([off], 5)).toEqual([off, one]);
  });

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

describe('the form', () => {
  it.each([
    edit('L9.H3'),
    edit('L9.H3@14<3', 'scale', 0.5),
    edit('L9.attn', 'add', 2),
    edit('L9.resid_mid', 'set_to', 1),
    edit('embed'),
    edit('L2.N7', 'on'),
    edit('L2.N7', 'lmd_off'),
    { ...edit('L2.N7', 'on'), sign: -1 as const },
    {
      ...edit('L2.N7', 'set_to', 3),
      positions: [1, 2, 3, 9],
      stage: 'pre' as const,
      enabled: false,
    },
    { ...edit('L2.mlp', 'patch'), source: { prompt: 'Paris', positions: [4] } },
    { ...edit('L2.mlp', 'patch'), source: { prompt: '', positions: null, source: 'Das Haus' } },
    { ...edit('L2.mlp', 'patch'), source: { prompt: 'It', positions: [1], pair: 'a;b ~ c' } },
    { ...edit('L2.mlp', 'patch'), source: { prompt: 'It', positions: [1], take: 'mean' as const } },
    {
      ...edit('L2.mlp', 'patch'),
      source: { prompt: 'It', positions: null, take: 'drawn' as const, seed: 7 },
    },
  ])('says again the edit that it was opened with: %j', (made) => {
    expect(readDraft(toDraft(made), made, MODEL)).toEqual({ made });
    expect(decodeEdit(encodeEdit(made))).toEqual(made);
  });

  it('says again an edit of an encoder that reads a source', () => {
    const reader = { ...MODEL, n_encoder_layers: 2 };
    for (const made of [edit('E1.H2'), edit('E1.mlp', 'scale', 2), edit('E1.H2@4<3')]) {
      expect(readDraft(toDraft(made), made, reader)).toEqual({ made });
      expect(readDraft(toDraft(made), made, MODEL)).toHaveProperty('problem.field', 'target');
    }
  });

  it('names the first field at fault', () => {
    const draft = { ...toDraft(edit('L2.N7', 'scale')), index: '99999' };
    const read = (patch: object) => {
      const result = readDraft({ ...draft, ...patch }, edit('L2.N7'), MODEL);
      return 'problem' in result ? result.problem.field : null;
    };
    expect(
      [{}, { index: 'x' }, { index: '7' }, { index: '7', value: '1', positions: 'y' }].map(read),
    ).toEqual(['target', 'target', 'value', 'positions']);
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
