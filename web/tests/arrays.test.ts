import { describe, expect, it } from 'vitest';
import type { LensMetadata } from '../src/core/lens';
import { cell, cellSentence, changedCells, lensTable, paintLens, readLens } from '../src/core/lens';
import { readSafetensors } from '../src/core/safetensors';
import { look, table, unpack } from '../src/core/lut';

interface Part {
  dtype: 'F32' | 'U32';
  shape: number[];
  values: number[];
}

/** An independent writer: what the reader must understand. */
function write(
  parts: Record<string, Part>,
  metadata: Record<string, string>,
  padding = 0,
): ArrayBuffer {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  const chunks: Uint8Array[] = [];
  for (const [name, part] of Object.entries(parts)) {
    const data =
      part.dtype === 'F32' ? new Float32Array(part.values) : new Uint32Array(part.values);
    header[name] = {
      dtype: part.dtype,
      shape: part.shape,
      data_offsets: [offset, offset + data.byteLength],
    };
    chunks.push(new Uint8Array(data.buffer));
    offset += data.byteLength;
  }
  let text = JSON.stringify(header);
  text += ' '.repeat(((8 - (new TextEncoder().encode(text).length % 8)) % 8) + padding);
  const head = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + head.length + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  let at = 8 + head.length;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.buffer;
}

describe('safetensors', () => {
  const parts: Record<string, Part> = {
    a: { dtype: 'F32', shape: [2, 2], values: [0.5, -1, 2, 3] },
    b: { dtype: 'U32', shape: [3], values: [0, 7, 2 ** 32 - 1] },
  };

  it.each([0, 1, 2, 3])('reads floats and words, %d bytes off alignment', (padding) => {
    const { tensors, metadata } = readSafetensors(write(parts, { note: 'é' }, padding));
    expect(metadata).toEqual({ note: 'é' });
    expect([...(tensors['a']?.data ?? [])]).toEqual([0.5, -1, 2, 3]);
    expect([...(tensors['b']?.data ?? [])]).toEqual([0, 7, 4294967295]);
  });

  it('says what is wrong with bytes that are cut off', () => {
    const whole = write(parts, {});
    for (const length of [0, 7, 12, whole.byteLength - 4])
      expect(() => readSafetensors(whole.slice(0, length))).toThrow(/short|cut off/);
  });
});

function example(edited: boolean): ArrayBuffer {
  const token = (id: number, text: string) => ({
    id,
    text,
    label: text.replace(' ', '␣'),
    special: false,
  });
  const meta: LensMetadata = {
    rows: ['embed', 'L0.resid_post'],
    tokens: [token(5, 'A'), token(6, ' b')],
    vocabulary: [token(1, ' x'), token(2, ' y')],
    target: null,
    edited,
  } as LensMetadata;
  const side = (first: number[]): Record<string, Part> => ({
    top_ids: { dtype: 'U32', shape: [2, 2, 1], values: first },
    top_probabilities: { dtype: 'F32', shape: [2, 2, 1], values: [0.25, 0.5, 0.75, 1] },
    probability: { dtype: 'F32', shape: [2, 2], values: [0, 0.5, 0.75, 1] },
    rank: { dtype: 'U32', shape: [2, 2], values: [99, 1, 0, 0] },
    kl: { dtype: 'F32', shape: [2, 2], values: [4, 2, 0, 0] },
    entropy: { dtype: 'F32', shape: [2, 2], values: [3, 2, 1, 0] },
    target_ids: { dtype: 'U32', shape: [2], values: [1, 2] },
  });
  const named = (name: string, parts: Record<string, Part>) =>
    Object.fromEntries(Object.entries(parts).map(([key, part]) => [`${name}.${key}`, part]));
  const tensors = {
    ...named('baseline', side([1, 2, 1, 2])),
    ...(edited
      ? {
          ...named('edited', side([1, 1, 1, 2])),
          kl_between: { dtype: 'F32', shape: [2, 2], values: [0, 3, 0, 0] } as Part,
        }
      : {}),
  };
  return write(tensors, { lens: JSON.stringify(meta) });
}

describe('the lens', () => {
  it('reads a cell with its tokens', () => {
    const lens = readLens(example(false));
    expect(cell(lens, lens.baseline, 1, 1)).toMatchObject({
      top: [{ probability: 1 }],
      rank: 0,
      target: { label: '␣y' },
    });
    expect(cellSentence(lens, lens.baseline, 1, 1)).toBe(
      'layer 0, token ␣b at position 1, top prediction ␣y 1.000',
    );
  });

  it('marks the cells whose top token the edits change', () => {
    expect([...changedCells(readLens(example(true)))]).toEqual([0, 1, 0, 0]);
  });

  it('is brightest where the answer is certain, in every colour', () => {
    const lens = readLens(example(false));
    for (const colour of ['probability', 'rank', 'kl', 'entropy'] as const) {
      const { colours } = paintLens(lens, colour, 'baseline', 100, 'light');
      expect(unpack(colours[3] ?? 0)).toEqual(unpack(look(table('sequential', 'light'), 1)));
    }
  });

  it('shows no difference as the middle of the scale', () => {
    const lens = readLens(example(true));
    const { colours, scale } = paintLens(lens, 'probability', 'difference', 100, 'dark');
    expect(scale.kind).toBe('diverging');
    expect(colours[0]).toBe(look(table('diverging', 'dark'), 0.5));
  });

  it('writes one line for each cell and side', () => {
    expect(lensTable(readLens(example(true)))).toHaveLength(1 + 2 * 4);
    expect(lensTable(readLens(example(false)))[1]).toEqual([
      'baseline',
      'embed',
      0,
      'A',
      ' x',
      0.25,
      ' x',
      0,
      99,
      4,
      3,
    ]);
  });
});
