/** An independent writer of safetensors: what the reader must understand. */

export interface Part {
  dtype: 'F32' | 'U32' | 'U8';
  shape: number[];
  values: number[];
}

const ARRAYS = { F32: Float32Array, U32: Uint32Array, U8: Uint8Array };

export function write(
  parts: Record<string, Part>,
  metadata: Record<string, string>,
  padding = 0,
): ArrayBuffer {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  const chunks: Uint8Array[] = [];
  for (const [name, part] of Object.entries(parts)) {
    const data = new ARRAYS[part.dtype](part.values);
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
