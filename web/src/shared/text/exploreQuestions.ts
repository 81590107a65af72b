/** Questions to the vector index as requests, from what is typed; small parts of what is found. */
import { MOST_SIMILAR, PAGE, type Explore } from './explore';

/** "music, album" as its words. */
export function splitWords(typed: string): string[] {
  const words = typed.split(',').map((word) => word.trim());
  return [...new Set(words.filter((word) => word !== ''))];
}

export function formatLayers(layers: Explore['layers']): string {
  if (!layers) return '';
  return layers[0] === layers[1] ? String(layers[0]) : `${layers[0]}-${layers[1]}`;
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
  among: Explore['among'];
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
  among: Explore['among'];
  layers: number[] | null;
  limit: number;
  target?: string;
  tokens?: Array<string | null>;
  state?: { site: string; position: number };
}

export interface BrowseBody {
  projection: Explore['projection'];
  among: Explore['among'];
  layer: number;
  first: number;
  count: number;
}

/** What the index is asked; null where the question is not complete yet. */
export function hitsQuestion(explore: Explore, context: Context): HitsQuestion | null {
  const { projection, among, offset, side } = explore;
  const layers = explore.layers && [...explore.layers];
  const paged = { projection, among, layers, limit: PAGE, offset };
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
      return what && { path: 'similar', body: { projection, among, layers, limit, ...what } };
    }
    case 'browse':
      return {
        path: 'browse',
        body: { projection, among, layer: explore.layer, first: explore.first, count: PAGE },
      };
    case 'clusters':
    case 'labels':
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
