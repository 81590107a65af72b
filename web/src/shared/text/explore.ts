/**
 * What is asked of the vector index: as state, as parts of the address, as the requests it makes.
 */
import { LIMITS, QUESTIONS } from '../../questions.gen';
import { formatTarget, parseTarget } from './address';
import { choice, field, integer, text, viewState, type Fields } from './fields';

export const AMONG = QUESTIONS.search.among.choices;
export const ASKS = ['search', 'token', 'similar', 'browse', 'clusters', 'labels'] as const;
export const PROJECTIONS = QUESTIONS.search.projection.choices;
export const MATCHES = QUESTIONS.search.match.choices;
export const COMBINES = QUESTIONS.search.combine.choices;
export const SIDES = QUESTIONS.search.side.choices;
export const RANKINGS = QUESTIONS.search.ranking.choices;
export const LIKES = ['node', 'tokens', 'state'] as const;
export const METHODS = QUESTIONS.clusters.method.choices;
export const SHOWS = ['table', 'bars', 'cloud'] as const;

export type Question = (typeof ASKS)[number];
export type Like = (typeof LIKES)[number];
export type Show = (typeof SHOWS)[number];

export interface Clustering {
  method: (typeof METHODS)[number];
  /** Null: the server chooses by size. */
  n: number | null;
  seed: number;
}

export interface Explore {
  ask: Question;
  projection: (typeof PROJECTIONS)[number];
  /** Of neurons, or of the latents that are attached. */
  among: (typeof AMONG)[number];
  /** As typed, with commas between. */
  words: string;
  match: (typeof MATCHES)[number];
  combine: (typeof COMBINES)[number];
  side: (typeof SIDES)[number];
  ranking: (typeof RANKINGS)[number];
  /** First and last layer; null: all. */
  layers: readonly [number, number] | null;
  /** The first hit that is listed. */
  offset: number;
  token: string;
  /** What vectors are to be similar to. */
  like: Like;
  node: string | null;
  plus: string;
  minus: string;
  /** A state of the current run; null: the one behind the chosen row. */
  site: string | null;
  layer: number;
  first: number;
  /** Null until they are asked for: computing them takes a while. */
  clustering: Clustering | null;
  cluster: number | null;
  /** Which members of a cluster are drawn at random. */
  draw: number;
  /** How lists of tokens are shown on a component's page. */
  show: Show;
}

export const EXPLORE: Readonly<Explore> = {
  ask: 'search',
  projection: QUESTIONS.search.projection.default,
  among: QUESTIONS.search.among.default,
  words: '',
  match: QUESTIONS.search.match.default,
  combine: QUESTIONS.search.combine.default,
  side: QUESTIONS.search.side.default,
  ranking: QUESTIONS.search.ranking.default,
  layers: null,
  offset: 0,
  token: '',
  like: 'node',
  node: null,
  plus: '',
  minus: '',
  site: null,
  layer: 0,
  first: 0,
  clustering: null,
  cluster: null,
  draw: 0,
  show: 'table',
};

/** Hits on a page. */
export const PAGE = 25;
/** Nearest vectors that can be asked for at once. */
export const MOST_SIMILAR = LIMITS.max_hits;

// ------------------------------------------------------------------ the address

const MOST = 999_999_999;

const FIELDS: Fields<Explore> = {
  ask: choice(EXPLORE, 'ask', ASKS),
  proj: choice(EXPLORE, 'projection', PROJECTIONS),
  among: choice(EXPLORE, 'among', AMONG),
  q: text(EXPLORE, 'words'),
  match: choice(EXPLORE, 'match', MATCHES),
  join: choice(EXPLORE, 'combine', COMBINES),
  side: choice(EXPLORE, 'side', SIDES),
  by: choice(EXPLORE, 'ranking', RANKINGS),
  in: field(
    EXPLORE,
    'layers',
    (value) => {
      const layers = parseLayers(value);
      return layers === null || typeof layers === 'string' ? undefined : layers;
    },
    (layers) => layers.join('-'),
  ),
  from: integer(EXPLORE, 'offset', 0, MOST),
  tok: text(EXPLORE, 'token'),
  like: choice(EXPLORE, 'like', LIKES),
  to: field(EXPLORE, 'node', (value) => neuronName(value) ?? undefined),
  plus: text(EXPLORE, 'plus'),
  minus: text(EXPLORE, 'minus'),
  site: field(EXPLORE, 'site', (value) =>
    parseTarget(value)?.kind === 'site' ? value : undefined,
  ),
  bl: integer(EXPLORE, 'layer', 0, MOST),
  bn: integer(EXPLORE, 'first', 0, MOST),
  groups: field(EXPLORE, 'clustering', decodeClustering, encodeClustering),
  c: integer(EXPLORE, 'cluster', 0, MOST),
  draw: integer(EXPLORE, 'draw', 0, MOST),
  show: choice(EXPLORE, 'show', SHOWS),
};

export const exploreState = viewState(EXPLORE, FIELDS);

declare module './url' {
  interface ViewStates {
    /** What is asked of the vector index. */
    explore: Explore;
  }
}

/** "kmeans,1200,0"; a number that the server chooses is left empty. */
function encodeClustering({ method, n, seed }: Clustering): string {
  return `${method},${n ?? ''},${seed}`;
}

function decodeClustering(value: string): Clustering | undefined {
  const found = /^(kmeans|complete),(\d{0,7}),(\d{1,9})$/.exec(value);
  if (!found) return undefined;
  const n = found[2] === '' ? null : Number(found[2]);
  return n === 0
    ? undefined
    : { method: found[1] as Clustering['method'], n, seed: Number(found[3]) };
}

// ------------------------------------------------------------------ what is typed

/** "3-9" or "5"; "" is all of them (null); a string is what is wrong. */
export function parseLayers(typed: string, count = Infinity): [number, number] | null | string {
  if (typed.trim() === '') return null;
  const found = /^\s*(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?\s*$/.exec(typed);
  if (!found) return 'Write one layer, 5, or a range, 3-9.';
  const first = Number(found[1]);
  const last = found[2] === undefined ? first : Number(found[2]);
  if (last < first) return 'The first layer comes first: 3-9.';
  if (last >= count) return `This model has layers 0–${count - 1}.`;
  return [first, last];
}

/** "L12.N512" for what names a neuron ("l12d512", too) or latent; null for everything else. */
export function neuronName(typed: string): string | null {
  const target = parseTarget(typed);
  if (target?.kind !== 'neuron' && target?.kind !== 'latent') return null;
  return target.query === undefined ? formatTarget(target) : null;
}
