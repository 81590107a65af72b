/**
 * What is asked of the vector index: as state, as parts of the address, as the requests it makes.
 */
import { LIMITS, QUESTIONS } from '../../questions.gen';
import { formatTarget, parseTarget } from './address';
import { choice, field, integer, text, viewState, type Fields } from './fields';

export const ASKS = ['search', 'token', 'similar', 'browse', 'clusters'] as const;
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

/** "music, album" as its words. */
export function splitWords(typed: string): string[] {
  const words = typed.split(',').map((word) => word.trim());
  return [...new Set(words.filter((word) => word !== ''))];
}

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

export function formatLayers(layers: Explore['layers']): string {
  if (!layers) return '';
  return layers[0] === layers[1] ? String(layers[0]) : `${layers[0]}-${layers[1]}`;
}

/** "L12.N512" for what names a neuron ("l12d512", too); null for everything else. */
export function neuronName(typed: string): string | null {
  const target = parseTarget(typed);
  return target?.kind === 'neuron' && target.query === undefined ? formatTarget(target) : null;
}

// ------------------------------------------------------------------ the requests

export interface Context {
  prompt: string;
  position: number | null;
  /** The residual stream that the page points at. */
  row: string;
}

export type HitsQuestion =
  | { path: 'search'; body: SearchBody }
  | { path: 'token'; body: TokenBody }
  | { path: 'similar'; body: SimilarBody }
  | { path: 'browse'; body: BrowseBody };

interface Paged {
  projection: Explore['projection'];
  layers: number[] | null;
  limit: number;
  offset: number;
}

export interface SearchBody extends Paged {
  words: string[];
  match: Explore['match'];
  combine: Explore['combine'];
  side: Explore['side'];
  ranking: Explore['ranking'];
}

export interface TokenBody extends Paged {
  token: string;
  side: Explore['side'];
}

export interface SimilarBody {
  projection: Explore['projection'];
  layers: number[] | null;
  limit: number;
  target?: string;
  tokens?: Array<string | null>;
  state?: { site: string; position: number };
}

export interface BrowseBody {
  projection: Explore['projection'];
  layer: number;
  first: number;
  count: number;
}

/** What the index is asked; null where the question is not complete yet. */
export function hitsQuestion(explore: Explore, context: Context): HitsQuestion | null {
  const { projection, offset, side } = explore;
  const layers = explore.layers && [...explore.layers];
  const paged = { projection, layers, limit: PAGE, offset };
  switch (explore.ask) {
    case 'search': {
      const { match, combine, ranking } = explore;
      const words = splitWords(explore.words);
      if (words.length === 0) return null;
      return { path: 'search', body: { ...paged, words, match, combine, side, ranking } };
    }
    case 'token':
      if (explore.token === '') return null;
      return { path: 'token', body: { ...paged, token: explore.token, side } };
    case 'similar': {
      const what = similarTo(explore, context);
      const limit = Math.min(MOST_SIMILAR, offset + PAGE);
      return what && { path: 'similar', body: { projection, layers, limit, ...what } };
    }
    case 'browse':
      return {
        path: 'browse',
        body: { projection, layer: explore.layer, first: explore.first, count: PAGE },
      };
    case 'clusters':
      return null;
  }
}

function similarTo(
  explore: Explore,
  context: Context,
): Pick<SimilarBody, 'target' | 'tokens' | 'state'> | null {
  if (explore.like === 'node') return explore.node === null ? null : { target: explore.node };
  if (explore.like === 'tokens')
    return explore.plus === ''
      ? null
      : { tokens: explore.minus === '' ? [explore.plus] : [explore.plus, explore.minus] };
  if (context.prompt === '' || context.position === null) return null;
  return { state: { site: explore.site ?? context.row, position: context.position } };
}

// ------------------------------------------------------------------ hits

export interface Scored {
  token: { id: number };
}

/** The tokens to list for a hit: the first ones, and those asked for that come later. */
export function withMatched<Item extends Scored>(
  tokens: readonly Item[],
  matched: readonly Item[],
  room: number,
): { listed: Array<{ item: Item; matched: boolean }>; later: Item[] } {
  const asked = new Set(matched.map((item) => item.token.id));
  const first = tokens.slice(0, room);
  const there = new Set(first.map((item) => item.token.id));
  return {
    listed: first.map((item) => ({ item, matched: asked.has(item.token.id) })),
    later: matched.filter((item) => !there.has(item.token.id)).slice(0, 3),
  };
}

/** About how long k-means takes, from what projecting all vectors once was estimated at. */
export function clusterSeconds(buildSeconds: number, vocabulary: number, clusters: number): number {
  const ROUNDS = 30;
  return (buildSeconds * clusters * ROUNDS) / vocabulary;
}

/** Bytes of all distances between n vectors, each pair once. */
export function linkageBytes(vectors: number): number {
  return (vectors * (vectors - 1) * 8) / 2;
}

/** How the index of the projection is opened, after the model. */
export function projectionPython(explore: Explore): string {
  return explore.projection === 'raw' ? '' : `, projection=${JSON.stringify(explore.projection)}`;
}
