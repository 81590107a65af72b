import { describe, expect, it } from 'vitest';
import { unpack } from '../../draw/lut';
import {
  cellsOf,
  differing,
  gridTable,
  measuredWhere,
  nodeOf,
  patchEdit,
  restored,
  sentence,
  someLayers,
  words,
} from './cells';
import type { Grid } from './query';

const token = (id: number, text: string) => ({ id, text, label: text, special: false });

const GRID = {
  site: 'resid_pre',
  into: 'corrupted',
  objective: 'logit of a',
  position: 1,
  layers: [0, 2],
  columns_at: [0, 1],
  positions: [0, 1],
  tokens: [token(5, 'x'), token(6, 'y')],
  corrupted_tokens: [token(5, 'x'), token(7, 'z')],
  clean: 5,
  corrupted: 1,
  n_runs: 2,
  n_unchanged: 2,
  rows: [
    [1, 5],
    [-1, 2],
  ],
} as unknown as Grid;
const HEADS = {
  ...GRID,
  site: 'heads',
  rows: [
    [1, null],
    [3, 5],
  ],
} as unknown as Grid;

describe('a patching grid', () => {
  it('says how far each cell gets from the corrupted answer to the clean one', () => {
    expect([1, 5, 3, -1].map((value) => restored(GRID, value))).toEqual([0, 1, 0.5, -0.5]);
    expect(restored({ ...GRID, clean: 1 }, 3)).toBeNull();
    expect([words(GRID, 'restored', 3), words(GRID, 'value', 3)]).toEqual(['0.50', '3.00']);
    expect([words(GRID, 'restored', 0.999), words(GRID, 'restored', null)]).toEqual(['0.00', '']);
  });

  it('has its last layer at the top, or the first, and nothing where a layer has no such head', () => {
    const upright = cellsOf(GRID, 'restored', 'light', false);
    expect([upright.label(0, 0), upright.label(1, 1)]).toEqual(['−0.50', '1.00']);
    expect(cellsOf(GRID, 'restored', 'light', true).label(0, 1)).toBe('1.00');
    const [red = 0, , blue = 0] = unpack(upright.colours[3] ?? 0);
    expect(blue).toBeGreaterThan(red);
    expect(cellsOf(HEADS, 'restored', 'light', true).colours[1]).toBe(0);
  });

  it('knows where the prompts differ', () => expect([...differing(GRID)]).toEqual([1]));

  it('says where its answer is measured, which the label of a text is nowhere', () => {
    expect(measuredWhere(GRID)).toBe('at position 1');
    expect(measuredWhere({ position: null })).toBe('of the text as a whole');
  });

  it('makes a patch of a cell: a site at its position, a head at all', () => {
    expect(patchEdit(GRID, 1, 1, 'clean')).toMatchObject({
      target: 'L2.resid_pre',
      operation: 'patch',
      positions: [1],
      source: { prompt: 'clean', positions: [1] },
    });
    expect(patchEdit(HEADS, 1, 0, 'clean')).toMatchObject({
      target: 'L2.H0',
      positions: null,
      source: { prompt: 'clean', positions: null },
    });
    expect(patchEdit({ ...HEADS, positions: [1] }, 0, 1, 'c').positions).toEqual([1]);
    expect(nodeOf(GRID, 0, 1)).toBe('L0.resid_pre');
  });

  it('is said in a sentence, and is a table', () => {
    expect(sentence(GRID, 1, 1)).toBe(
      'layer 2, position 1 y: 2.00, 0.250 of the way to the clean prompt’s',
    );
    expect(sentence(HEADS, 0, 1)).toBe('layer 0, head 1: this layer has no such head');
    expect(gridTable(GRID)[2]).toEqual([0, 1, 'y', 5, 1]);
    expect(gridTable(HEADS)[2]).toEqual([0, 1, null, null]);
  });
});

describe('a model whose layers do not all have what is patched', () => {
  it('says which have', () => {
    expect(someLayers(GRID, 2)).toBe(null);
    expect(someLayers(HEADS, 3)).toBe('Of 3 layers only layers 0, 2 have heads.');
    expect(someLayers({ ...HEADS, site: 'attn_out', layers: [1] }, 3)).toBe(
      'Of 3 layers only layer 1 has attention.',
    );
  });
});
