import { describe, expect, it } from 'vitest';
import { readSafetensors } from './safetensors';
import { write, type Part } from './write';

describe('safetensors', () => {
  const parts: Record<string, Part> = {
    a: { dtype: 'F32', shape: [2, 2], values: [0.5, -1, 2, 3] },
    b: { dtype: 'U32', shape: [3], values: [0, 7, 2 ** 32 - 1] },
  };

  it('reads bytes, of any number', () => {
    const bytes: Part = { dtype: 'U8', shape: [1, 3], values: [0, 7, 255] };
    const { tensors } = readSafetensors(write({ bytes, ...parts }, {}));
    expect(tensors['bytes']).toEqual({ shape: [1, 3], data: new Uint8Array([0, 7, 255]) });
    expect([...(tensors['a']?.data ?? [])]).toEqual([0.5, -1, 2, 3]);
  });

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
