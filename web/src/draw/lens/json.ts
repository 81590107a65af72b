/** A lens result as Python writes it (`LensResult.to_json`), as the arrays that are drawn. */
import { NO_TOKEN, type Lens, type LensMetadata, type LensSide, type TokenText } from './data';

type Grid = ReadonlyArray<ReadonlyArray<number | null>>;
type Cells = ReadonlyArray<ReadonlyArray<ReadonlyArray<number | null>>>;

export interface LensJson {
  rows: string[];
  positions: number[];
  tokens: TokenText[];
  n_prompt: number;
  decoder: string;
  follow: LensMetadata['follow'];
  target: TokenText | null;
  objective: string | null;
  vocabulary: TokenText[];
  /** -1: there is none. */
  target_ids: number[];
  next_ids: number[];
  top_ids: Cells;
  top_logits: Cells;
  top_probabilities: Cells;
  logit: Grid;
  probability: Grid;
  /** Of the objective, where it is another than the target's logit. */
  value: Grid | null;
  rank: Grid;
  kl: Grid;
  entropy: Grid;
}

/** One column for each position that was read; the others have no place in a picture of its own. */
export function lensOfJson(data: LensJson): Lens {
  const columns = data.positions.length;
  return {
    meta: { ...data, edited: false },
    rows: data.rows.length,
    columns,
    length: columns,
    k: data.top_ids[0]?.[0]?.length ?? 0,
    baseline: sideOf(data),
    edited: null,
    klBetween: null,
    tokenOf: new Map([...data.vocabulary, ...data.tokens].map((token) => [token.id, token])),
    columnOf: Int32Array.from({ length: columns }, (_, column) => column),
  };
}

function sideOf(data: LensJson): LensSide {
  return {
    topIds: Uint32Array.from(data.top_ids.flat(2), (id) => id ?? NO_TOKEN),
    topLogits: floats(data.top_logits.flat(2)),
    topProbabilities: floats(data.top_probabilities.flat(2)),
    logit: floats(data.logit.flat()),
    probability: floats(data.probability.flat()),
    objective: data.value ? floats(data.value.flat()) : null,
    rank: Uint32Array.from(data.rank.flat(), (rank) => rank ?? 0),
    kl: floats(data.kl.flat()),
    entropy: floats(data.entropy.flat()),
    targetIds: ids(data.target_ids),
    nextIds: ids(data.next_ids),
  };
}

/** JSON has null where there is no number, or none that is finite. */
function floats(values: ReadonlyArray<number | null>): Float32Array {
  return Float32Array.from(values, (value) => value ?? Number.NaN);
}

function ids(values: readonly number[]): Uint32Array {
  return Uint32Array.from(values, (id) => (id < 0 ? NO_TOKEN : id));
}
