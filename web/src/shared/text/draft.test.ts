import { describe, expect, it } from 'vitest';
import { readDraft, toDraft } from './draft';
import { decodeEdit, encodeEdit } from './editUrl';
import { edit } from './edits';

const MODEL = { n_layers: 18, n_heads: 4, d_mlp: 2048, d_model: 640, d_head: 256 };

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
