/** Reads safetensors bytes as typed arrays over the same memory: nothing is copied where aligned. */

export interface Tensor {
  shape: number[];
  data: Float32Array | Uint32Array | Uint8Array;
}

export interface Safetensors {
  metadata: Record<string, string>;
  tensors: Record<string, Tensor>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const WIDTHS: Record<string, number> = { F64: 8, U8: 1 };

/** Throws an Error that says what is wrong with the bytes. Reads F32, U32, U8, and F64 as F32. */
export function readSafetensors(buffer: ArrayBuffer): Safetensors {
  if (buffer.byteLength < 8) throw new Error('The answer is too short to be safetensors.');
  const headerLength = Number(new DataView(buffer).getBigUint64(0, true));
  const start = 8 + headerLength;
  if (start > buffer.byteLength)
    throw new Error('The header of the safetensors answer is cut off.');
  const header = JSON.parse(
    new TextDecoder().decode(new Uint8Array(buffer, 8, headerLength)),
  ) as Record<string, Entry>;
  const { __metadata__, ...entries } = header;
  const tensors: Record<string, Tensor> = {};
  for (const [name, entry] of Object.entries(entries))
    tensors[name] = readTensor(buffer, start, name, entry);
  return { metadata: (__metadata__ ?? {}) as unknown as Record<string, string>, tensors };
}

function readTensor(buffer: ArrayBuffer, start: number, name: string, entry: Entry): Tensor {
  const [first, last] = entry.data_offsets;
  const width = WIDTHS[entry.dtype] ?? 4;
  const length = (last - first) / width;
  const expected = entry.shape.reduce((product, size) => product * size, 1);
  if (length !== expected || start + last > buffer.byteLength)
    throw new Error(`The tensor ${name} is cut off.`);
  const aligned = (start + first) % width === 0;
  const source = aligned ? buffer : buffer.slice(start + first, start + last);
  const offset = aligned ? start + first : 0;
  switch (entry.dtype) {
    case 'F32':
      return { shape: entry.shape, data: new Float32Array(source, offset, length) };
    case 'U32':
      return { shape: entry.shape, data: new Uint32Array(source, offset, length) };
    case 'U8':
      return { shape: entry.shape, data: new Uint8Array(source, offset, length) };
    case 'F64':
      return {
        shape: entry.shape,
        data: Float32Array.from(new Float64Array(source, offset, length)),
      };
    default:
      throw new Error(`The tensor ${name} has dtype ${entry.dtype}, which the app does not read.`);
  }
}
