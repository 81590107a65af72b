import { describe, expect, it } from 'vitest';
import { lensCost } from './lensCost';
import {
  decoderBlocks,
  decoderWords,
  positionWords,
  rowNames,
  rowWords,
  shownPositions,
} from './lensRows';
import { edit } from '../../shared/text/edits';
import { DEFAULTS } from '../../app/address';
import { LENS } from './lensState';

const model = { n_layers: 5, parallel_blocks: false, has_encoder: false };
const rows = (choice: object, of = model) => rowNames(of, { ...LENS, ...choice });

describe('rows', () => {
  it('are the embedding and every block', () =>
    expect(rows({})).toEqual(['embed', ...[0, 1, 2, 3, 4].map((at) => `L${at}.resid_post`)]));

  it('are every second block from the first on, and always the last', () => {
    expect(rows({ layer_step: 3, include_embedding: false })).toEqual(
      [0, 3, 4].map((at) => `L${at}.resid_post`),
    );
    expect(rows({ layer_step: 99, include_embedding: false })).toEqual(
      [0, 4].map((at) => `L${at}.resid_post`),
    );
  });

  it('come in pairs with sub-blocks, under another name where blocks are parallel', () => {
    expect(rows({ subblocks: true, layer_step: 4 })).toEqual([
      'embed',
      'L0.resid_mid',
      'L0.resid_post',
      'L4.resid_mid',
      'L4.resid_post',
    ]);
    expect(rows({ subblocks: true }, { ...model, parallel_blocks: true })[1]).toBe(
      'L0.resid_pre+attn_out',
    );
    expect(rows({ subblocks: true }, { ...model, has_encoder: true }).slice(1, 4)).toEqual([
      'L0.resid_mid',
      'L0.resid_mid_cross',
      'L0.resid_post',
    ]);
  });

  it('beyond the entry of a decoder are left out, but for the last', () => {
    expect(rows({ decoder: 'L3', include_embedding: false })).toEqual(
      [0, 1, 2, 4].map((at) => `L${at}.resid_post`),
    );
    expect(rows({ decoder: 'last_mlp', subblocks: true, layer_step: 4 })).toContain('L4.resid_mid');
    expect(rows({ decoder: 'last_block', subblocks: true, layer_step: 4 })).not.toContain(
      'L4.resid_mid',
    );
  });

  it('are said in words', () => {
    expect(rowWords({ ...LENS })).toBe('every block');
    expect(rowWords({ ...LENS, layer_step: 2, subblocks: true, include_embedding: false })).toBe(
      'every 2nd block, sub-blocks, no embedding',
    );
    expect([3, 4, 11, 21].map((step) => rowWords({ ...LENS, layer_step: step }))).toEqual(
      ['3rd', '4th', '11th', '21st'].map((nth) => `every ${nth} block`),
    );
  });
});

describe('a decoder', () => {
  it('is said in words, however it is named', () => {
    const words = (decoder: string) => decoderWords(decoder, 18);
    expect(
      ['final_norm', 'last_mlp', 'L17.mlp', 'last_block', 'L16', 'L9', 'L9.mlp'].map(words),
    ).toEqual([
      'final norm',
      'last feed-forward',
      'last feed-forward',
      'last block',
      'last 2 blocks',
      'from block L9',
      'from L9 feed-forward',
    ]);
  });

  it('that is given by its modules begins where the first of them lies', () => {
    const end = ['final_layernorm', 'lm_head'];
    const words = (...modules: string[]) => decoderWords([...modules, ...end], 18);
    expect(words()).toBe('final norm');
    expect(words('h.17')).toBe('last block');
    expect(words('model.layers.17.mlp')).toBe('last feed-forward');
    expect(words('h.17.attn', 'h.17.mlp')).toBe('last block');
    expect(words('h.16.mlp', 'h.17')).toBe('from L16 feed-forward');
    expect(rows({ decoder: ['h.3', 'h.4', ...end], include_embedding: false })).toEqual(
      rows({ decoder: 'L3', include_embedding: false }),
    );
  });

  it('runs the blocks from its entry on', () =>
    expect(
      ['final_norm', 'last_mlp', 'last_block', 'L16', 'L99'].map((name) => decoderBlocks(name, 18)),
    ).toEqual([0, 0.5, 1, 2, 0]));
});

describe('positions', () => {
  it('are counted from the end where negative, sorted, and only those of the prompt', () => {
    expect(shownPositions([-1, 0, 99, 8], 9)).toEqual([0, 8]);
    expect(shownPositions(null, 3)).toEqual([0, 1, 2]);
    expect(shownPositions([50], 9)).toBeNull();
  });

  it('are said in words', () => {
    expect(positionWords(null, 1024)).toBe('all 1,024');
    expect(positionWords([75, 76, 77], 160)).toBe('75–77 of 160');
    expect(positionWords([3], 160)).toBe('only 3');
    expect(positionWords([3, 9, 11], 160)).toBe('3 of 160');
    expect(positionWords([500], 160)).toBe('all 160');
  });
});

describe('the cost', () => {
  const sizes = { ...model, d_model: 100, d_mlp: 400, vocab_size: 60_000 };
  const cost = (choice: object, lens: object = {}) =>
    lensCost(sizes, { ...DEFAULTS, ...choice, lens: { ...LENS, ...lens } }, 1000);

  it('counts the rows and positions chosen, and both sides', () => {
    expect(cost({}).cells).toBe(6 * 1000);
    expect(cost({ positions: [0, 1, -1] }, { layer_step: 4 }).cells).toBe(3 * 3);
    expect(cost({ edits: [edit('L1.H1')] }).cells).toBe(2 * 6 * 1000);
    expect(cost({}).seconds).toBeCloseTo((6000 * 100 * 60_000 * 2) / 6e10);
  });

  it('counts a pass of the whole prompt for each row that a decoder reads', () => {
    const few = cost({ positions: [0] }, { decoder: 'last_block' });
    expect(few.passes).toBe(5);
    expect(few.seconds).toBeGreaterThan(cost({ positions: [0] }).seconds);
    expect(cost({}, { decoder: 'L3' }).passes).toBe(4);
  });
});
