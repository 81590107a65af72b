/** The lens grid as arrays, and what is known of one of its cells. Knows no canvas and no React. */
import type { components } from '../../api.gen';
import { readSafetensors, type Safetensors } from '../safetensors';

export type TokenText = components['schemas']['Token'];
type LensResult = components['schemas']['LensResult'];
/** What a lens is of: what both sides share, with the tokens that occur in either. */
export type LensMetadata = Pick<
  LensResult,
  | 'rows'
  | 'positions'
  | 'tokens'
  | 'n_prompt'
  | 'decoder'
  | 'follow'
  | 'target'
  | 'objective'
  | 'vocabulary'
> & { edited: boolean };
export type SideName = 'baseline' | 'edited';
/** One side, or the edited one against the baseline. */
export type Mode = SideName | 'difference';

/** In target_ids and next_ids: there is none. */
export const NO_TOKEN = 0xffffffff;

export interface LensSide {
  topIds: Uint32Array;
  topLogits: Float32Array;
  topProbabilities: Float32Array;
  /** Of the target; NaN where there is none. */
  logit: Float32Array;
  probability: Float32Array;
  /** Of the target, 1 is the best; 0 where there is none. */
  rank: Uint32Array;
  /** Of the objective that was asked for, where it is another than the target's logit. */
  objective: Float32Array | null;
  kl: Float32Array;
  entropy: Float32Array;
  targetIds: Uint32Array;
  nextIds: Uint32Array;
}

/** Rows bottom to top × the positions read; `length` is that of the whole prompt. */
export interface Lens {
  meta: LensMetadata;
  rows: number;
  columns: number;
  length: number;
  k: number;
  baseline: LensSide;
  edited: LensSide | null;
  klBetween: Float32Array | null;
  tokenOf: ReadonlyMap<number, TokenText>;
  /** Position -> column of the arrays; -1 where it was not read. */
  columnOf: Int32Array;
}

/** Reads the answer of POST /api/lens. */
export function readLens(buffer: ArrayBuffer): Lens {
  const file = readSafetensors(buffer);
  const meta = metadataOf(file.metadata['lens']);
  const shape = file.tensors['baseline.top_ids']?.shape ?? [];
  const columnOf = new Int32Array(meta.n_prompt).fill(-1);
  meta.positions.forEach((position, column) => (columnOf[position] = column));
  return {
    meta,
    rows: meta.rows.length,
    columns: meta.positions.length,
    length: meta.n_prompt,
    k: shape[2] ?? 0,
    baseline: readSide(file, 'baseline'),
    edited: meta.edited ? readSide(file, 'edited') : null,
    klBetween: meta.edited ? floats(file, 'kl_between') : null,
    tokenOf: new Map([...meta.vocabulary, ...meta.tokens].map((token) => [token.id, token])),
    columnOf,
  };
}

function metadataOf(json: string | undefined): LensMetadata {
  const answer = JSON.parse(json ?? 'null') as components['schemas']['LensComparison'] | null;
  if (!answer) throw new Error('The lens answer has no description of itself.');
  const { baseline, edited = null } = answer;
  const vocabulary = [...baseline.vocabulary, ...(edited?.vocabulary ?? [])];
  return { ...baseline, vocabulary, edited: edited !== null };
}

function readSide(file: Safetensors, side: SideName): LensSide {
  return {
    topIds: words(file, `${side}.top_ids`),
    topLogits: floats(file, `${side}.top_logits`),
    topProbabilities: floats(file, `${side}.top_probabilities`),
    logit: floats(file, `${side}.logit`),
    probability: floats(file, `${side}.probability`),
    rank: words(file, `${side}.rank`),
    objective: file.tensors[`${side}.value`] ? floats(file, `${side}.value`) : null,
    kl: floats(file, `${side}.kl`),
    entropy: floats(file, `${side}.entropy`),
    targetIds: words(file, `${side}.target_ids`),
    nextIds: words(file, `${side}.next_ids`),
  };
}

function floats(file: Safetensors, name: string): Float32Array {
  const data = file.tensors[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`The lens answer has no ${name}.`);
  return data;
}

function words(file: Safetensors, name: string): Uint32Array {
  const data = file.tensors[name]?.data;
  if (!(data instanceof Uint32Array)) throw new Error(`The lens answer has no ${name}.`);
  return data;
}

// ------------------------------------------------------------------ sides and cells

/** The side that a mode shows the tokens of. */
export function shownSide(lens: Lens, mode: Mode): { side: SideName; values: LensSide } {
  return lens.edited && mode !== 'baseline'
    ? { side: 'edited', values: lens.edited }
    : { side: 'baseline', values: lens.baseline };
}

export interface Ranked {
  token: TokenText;
  probability: number;
  logit: number;
}

export interface Cell {
  top: Ranked[];
  /** Null where nothing is scored: the last token has no next one. */
  target: TokenText | null;
  probability: number;
  logit: number;
  objective: number | null;
  rank: number;
  kl: number;
  entropy: number;
}

const UNKNOWN: TokenText = { id: -1, text: '', label: '?', special: false };

export function tokenLabel(lens: Lens, id: number | undefined): TokenText {
  return (id === undefined ? undefined : lens.tokenOf.get(id)) ?? { ...UNKNOWN, id: id ?? -1 };
}

function someToken(lens: Lens, id: number | undefined): TokenText | null {
  return id === undefined || id === NO_TOKEN ? null : tokenLabel(lens, id);
}

/** Everything known of one cell of one side. */
export function cell(lens: Lens, side: LensSide, row: number, column: number): Cell {
  const at = row * lens.columns + column;
  const top = Array.from({ length: lens.k }, (_, place): Ranked => {
    const index = at * lens.k + place;
    return {
      token: tokenLabel(lens, side.topIds[index]),
      probability: side.topProbabilities[index] ?? 0,
      logit: side.topLogits[index] ?? 0,
    };
  });
  return {
    top,
    target: someToken(lens, side.targetIds[column]),
    probability: side.probability[at] ?? 0,
    logit: side.logit[at] ?? 0,
    objective: side.objective?.[at] ?? null,
    rank: side.rank[at] ?? 0,
    kl: side.kl[at] ?? 0,
    entropy: side.entropy[at] ?? 0,
  };
}

export function topLabel(lens: Lens, side: LensSide, row: number, column: number): string {
  return tokenLabel(lens, side.topIds[(row * lens.columns + column) * lens.k]).label;
}

/** What the whole model says follows a token, and whether the text goes on like that. */
export interface Outcome {
  token: TokenText;
  /** Null at the end of the text: nothing follows. */
  right: boolean | null;
  /** The edits changed it. */
  changed: boolean;
}

export function outcome(lens: Lens, side: LensSide, column: number): Outcome {
  const at = ((lens.rows - 1) * lens.columns + column) * lens.k;
  const next = side.nextIds[column];
  const id = side.topIds[at];
  return {
    token: tokenLabel(lens, id),
    right: next === undefined || next === NO_TOKEN ? null : next === id,
    changed: id !== lens.baseline.topIds[at],
  };
}

/** 1 where the edits change the top token of a cell. */
export function changedCells(lens: Lens): Uint8Array {
  const changed = new Uint8Array(lens.rows * lens.columns);
  const { baseline, edited, k } = lens;
  if (edited) {
    for (let at = 0; at < changed.length; at++)
      changed[at] = baseline.topIds[at * k] === edited.topIds[at * k] ? 0 : 1;
  }
  return changed;
}
