/** Attention of some heads as arrays, as the server writes it. Knows no canvas and no React. */
import type { components } from '../../api.gen';
import { readSafetensors, type Safetensors } from '../safetensors';

export type TokenText = components['schemas']['Token'];
type AttentionResult = components['schemas']['AttentionResult'];
/** What both sides share. */
export type AttentionMetadata = Pick<
  AttentionResult,
  'heads' | 'measure' | 'unit' | 'combine' | 'weights' | 'special' | 'mass'
>;
export type SideName = 'baseline' | 'edited';
/** What people call the sides. */
export type SideNames = Readonly<Record<SideName, string>>;
export const RUNS: SideNames = { baseline: 'baseline', edited: 'edited' };
/** As `PROMPTS` of analyses/attention. */
export const PROMPTS: SideNames = { baseline: 'this prompt', edited: 'other prompt' };
/** One side, the edited one minus the baseline, or one next to the other. */
export type Mode = SideName | 'difference' | 'beside';

/** The pairs that are kept, strongest first. */
export interface Edges {
  /** Of the matrix: the index of a query, not its position. */
  rows: Uint32Array;
  keys: Uint32Array;
  values: Float32Array;
  /** How many are kept; those that are here are the strongest of them. */
  all: number;
}

/** Of the whole text that looks, and of the one that is looked at; mostly the same. */
export interface Tokens {
  query: readonly TokenText[];
  key: readonly TokenText[];
}

export interface AttentionSide {
  /** The edits may be to them, or they are those of another prompt. */
  tokens: Tokens;
  /** Positions of the rows. */
  queries: readonly number[];
  /** Position -> row of the arrays; -1 where it was not asked. */
  rowOf: Int32Array;
  /** Of a sentence pair: the text of each token. */
  segments: readonly number[];
  /** Heads × queries × keys; null in a page that has no room for them. */
  values: Float32Array | null;
  /** Queries × keys: the heads made one; null as `values`. */
  combined: Float32Array | null;
  /** Heads × queries: the share that goes to no token; null: no layer has a sink. */
  sink: Float32Array | null;
  edges: Edges;
  /** For each head the mean over the keys, of every query; and over the queries, of every key. */
  sent: Float32Array;
  received: Float32Array;
}

export interface Attention {
  meta: AttentionMetadata;
  baseline: AttentionSide;
  edited: AttentionSide | null;
  names: SideNames;
  /** Tokens of the longest text. */
  length: number;
}

/** Reads the answer of POST /api/attention. */
export function readAttention(buffer: ArrayBuffer, names: SideNames = RUNS): Attention {
  const file = readSafetensors(buffer);
  const answer = JSON.parse(file.metadata['attention'] ?? 'null') as
    components['schemas']['AttentionComparison'] | null;
  if (!answer) throw new Error('The attention answer has no description of itself.');
  const edited = answer.edited ? readSide(file, 'edited', answer.edited) : null;
  return attentionOf(answer.baseline, readSide(file, 'baseline', answer.baseline), edited, names);
}

export function attentionOf(
  meta: AttentionMetadata,
  baseline: AttentionSide,
  edited: AttentionSide | null,
  names: SideNames = RUNS,
): Attention {
  const texts = [baseline, ...(edited ? [edited] : [])].flatMap(({ tokens }) => [
    tokens.query,
    tokens.key,
  ]);
  const length = Math.max(...texts.map((text) => text.length));
  return { meta, baseline, edited, names, length };
}

/** Position of a text -> row; -1 where it was not asked. */
export function rowsOf(queries: readonly number[], text: readonly unknown[]): Int32Array {
  const rowOf = new Int32Array(text.length).fill(-1);
  queries.forEach((position, row) => (rowOf[position] = row));
  return rowOf;
}

function readSide(file: Safetensors, side: SideName, result: AttentionResult): AttentionSide {
  const { queries, heads } = result;
  const tokens = { query: result.tokens, key: result.key_tokens ?? result.tokens };
  const values = floats(file, `${side}.values`);
  const strengths = floats(file, `${side}.edge_values`);
  const rowOf = rowsOf(queries, tokens.query);
  return {
    tokens,
    queries,
    rowOf,
    segments: result.segments,
    values,
    combined: floats(file, `${side}.combined`),
    sink: file.tensors[`${side}.sink`] ? floats(file, `${side}.sink`) : null,
    edges: {
      rows: words(file, `${side}.edge_queries`).map((position) => rowOf[position] ?? 0),
      keys: words(file, `${side}.edge_keys`),
      values: strengths,
      all: strengths.length,
    },
    ...meansOf(values, heads.length, queries.length, tokens.key.length),
  };
}

/** What each head sends on the mean from a query, and a key receives. */
export function meansOf(
  values: Float32Array,
  heads: number,
  rows: number,
  keys: number,
): Pick<AttentionSide, 'sent' | 'received'> {
  const sent = new Float32Array(heads * rows);
  const received = new Float32Array(heads * keys);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < rows; row++) {
      const start = (head * rows + row) * keys;
      let sum = 0;
      for (let key = 0; key < keys; key++) {
        const value = values[start + key] ?? 0;
        sum += value;
        received[head * keys + key] = (received[head * keys + key] ?? 0) + value / rows;
      }
      sent[head * rows + row] = sum / keys;
    }
  }
  return { sent, received };
}

function floats(file: Safetensors, name: string): Float32Array {
  const data = file.tensors[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`The attention answer has no ${name}.`);
  return data;
}

function words(file: Safetensors, name: string): Uint32Array {
  const data = file.tensors[name]?.data;
  if (!(data instanceof Uint32Array)) throw new Error(`The attention answer has no ${name}.`);
  return data;
}
