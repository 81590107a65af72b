/** Attention as Python packs it for a page (`figures/attention/packing.py`), as the arrays that are drawn. */
import {
  attentionOf,
  meansOf,
  rowsOf,
  type Attention,
  type AttentionMetadata,
  type AttentionSide,
  type SideNames,
  type TokenText,
} from './data';

/** Numbers in half precision, times `unit`. */
export interface Packed {
  shape: number[];
  unit: number;
  /** How many numbers of each row of the last axis are there, zeros after them; absent: all. */
  lengths?: number[];
  /** Base64, little-endian. */
  data: string;
}

export interface SideJson {
  queries: number[];
  tokens: TokenText[];
  /** Absent where they are the same. */
  key_tokens?: TokenText[] | null;
  /** Absent where they are more than a page holds. */
  values?: Packed | null;
  combined?: Packed | null;
  sink?: Packed | null;
  sent?: Packed | null;
  received?: Packed | null;
  /** Rows of the queries, not positions; the strongest where `edge_count` is larger. */
  edge_rows: string;
  edge_keys: string;
  edge_values: Packed;
  edge_count: number;
}

export interface AttentionJson extends AttentionMetadata {
  baseline: SideJson;
  edited?: SideJson | null;
  /** Of a sentence pair: the text of each token. */
  segments: number[];
  /** Absent where there is one side. */
  names?: SideNames;
}

export function attentionOfJson(data: AttentionJson): Attention {
  const side = (one: SideJson) => sideOfJson(one, data);
  return attentionOf(data, side(data.baseline), data.edited ? side(data.edited) : null, data.names);
}

function sideOfJson(data: SideJson, { heads, segments }: AttentionJson): AttentionSide {
  const { queries } = data;
  const tokens = { query: data.tokens, key: data.key_tokens ?? data.tokens };
  const read = (packed: Packed | null | undefined) => (packed ? unpacked(packed) : null);
  const values = read(data.values);
  const means = values && meansOf(values, heads.length, queries.length, tokens.key.length);
  const unknown = (length: number) => new Float32Array(heads.length * length).fill(Number.NaN);
  return {
    tokens,
    queries,
    rowOf: rowsOf(queries, tokens.query),
    segments,
    values,
    combined: read(data.combined),
    sink: read(data.sink),
    edges: {
      rows: words(data.edge_rows),
      keys: words(data.edge_keys),
      values: unpacked(data.edge_values),
      all: data.edge_count,
    },
    sent: means?.sent ?? read(data.sent) ?? unknown(queries.length),
    received: means?.received ?? read(data.received) ?? unknown(tokens.key.length),
  };
}

function bytesOf(base64: string): DataView {
  return new DataView(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)).buffer);
}

/** Base64 of 16 bits each, little-endian. */
function words(base64: string): Uint32Array {
  const view = bytesOf(base64);
  return Uint32Array.from({ length: view.byteLength / 2 }, (_, at) => view.getUint16(2 * at, true));
}

export function unpacked({ shape, unit, lengths, data }: Packed): Float32Array {
  const halves = bytesOf(data);
  const whole = shape.reduce((product, size) => product * size, 1);
  const found = new Float32Array(whole);
  const row = shape.at(-1) ?? 0;
  let from = 0;
  for (let at = 0; at < (row ? whole / row : 0); at++)
    for (let place = 0; place < (lengths?.[at] ?? row); place++)
      found[at * row + place] = half(halves.getUint16(2 * from++, true)) * unit;
  return found;
}

/** IEEE 754 half precision; not every browser reads it by itself. */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
