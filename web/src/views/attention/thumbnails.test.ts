import { describe, expect, it } from 'vitest';
import { table, look } from '../../draw/lut';
import { readThumbnails, thumbnail } from './thumbnails';

describe('thumbnails', () => {
  const said = (cells: number[], scale: number) => ({
    cells: { shape: [1, 2, 2], data: Uint8Array.from(cells) },
    scale: { shape: [1], data: Float32Array.of(scale) },
  });
  const before = said([0, 255, 255, 0], 0.5);
  const after = said([255, 255, 0, 0], 1);
  const about = { heads: ['L1.H0'], query_starts: [0, 1], key_starts: [0, 1] };
  const sides = readThumbnails({
    metadata: { thumbnails: JSON.stringify({ baseline: about, edited: about }) },
    tensors: {
      'baseline.cells': before.cells,
      'baseline.scale': before.scale,
      'edited.cells': after.cells,
      'edited.scale': after.scale,
    },
  } as never);

  it('are coloured by the head’s own largest', () => {
    const colours = table('sequential', 'light');
    const picture = thumbnail(sides, 'L1.H0', 'baseline', 'light');
    expect([...(picture ?? [])]).toEqual([colours[0], colours[255], colours[255], colours[0]]);
    expect(thumbnail(sides, 'L1.H0', 'edited', 'light')?.[2]).toBe(colours[0]);
    expect(thumbnail(sides, 'L9.H9', 'baseline', 'light')).toBeNull();
  });

  it('show what the edits change, each side by its own scale', () => {
    const colours = table('diverging', 'light');
    const half = Math.SQRT1_2 / 2;
    const shares = [1, 0.5 + half, 0.5 - half].map((share) => look(colours, share));
    expect([...(thumbnail(sides, 'L1.H0', 'difference', 'light') ?? [])]).toEqual([...shares, 0]);
  });
});
