/** The page's question to a corpus, as a request and as options of the call in Python. */
import { QUESTIONS } from '../../questions.gen';
import type { Schemas } from '../../shared/api/client';
import { FILTERS, type CorpusState, type Filter } from './corpusState';

export type About = Schemas['CorpusAbout'];

/** A table of vectors by its name: "L6.z". */
export interface Kept {
  layer: number;
  by: CorpusState['by'];
  name: string;
}

export function keptOf(about: About): Kept[] {
  return about.sites.flatMap((name) => {
    const found = /^L(\d+)\.(\w+)$/.exec(name);
    return found
      ? [{ layer: Number(found[1]), by: found[2] === 'z' ? 'context' : 'hidden', name }]
      : [];
  });
}

/** Layers of which this is kept. */
export function layersOf(about: About, by: CorpusState['by']): number[] {
  return keptOf(about)
    .filter((one) => one.by === by)
    .map(({ layer }) => layer);
}

/** Whether its words have labels that can be counted. */
export function isLabelled(about: About): boolean {
  return about.spacy !== '' || about.files.some((file) => file.endsWith('.conllu'));
}

export type Options = Partial<
  Record<Filter, string[]> & {
    layer: number;
    by: CorpusState['by'];
    heads: number[];
    weighting: CorpusState['weighting'];
    reach: number;
    summarise: CorpusState['of'];
    narrow: string[];
    exact: true;
    offsets: number[];
    limit: number;
  }
>;

/** What is not as at the start; `like`: a token of the prompt is asked for. */
export function optionsOf(corpus: CorpusState, about: About, like: boolean, causal: boolean) {
  const options: Options = {};
  if (like) {
    if (corpus.exact) options.exact = true;
    if (corpus.layer !== null) options.layer = corpus.layer;
    if (corpus.by !== 'hidden') options.by = corpus.by;
    if (corpus.by === 'context') {
      if (corpus.heads.length > 0) options.heads = [...corpus.heads];
      if (corpus.weighting !== 'equal') options.weighting = corpus.weighting;
    }
  }
  for (const name of FILTERS) if (corpus[name].length > 0) options[name] = [...corpus[name]];
  if (corpus.near.length > 0 && corpus.reach !== 5) options.reach = corpus.reach;
  const of = summedOf(corpus, about, like, causal);
  if (of !== null) options.summarise = of;
  if (corpus.only.length > 0) options.narrow = [...corpus.only];
  if (corpus.offsets.length > 0) options.offsets = [...corpus.offsets];
  options.limit = corpus.limit;
  return options;
}

const RELATIONS = QUESTIONS.relations;
/** Heads and relations that are listed. */
const LISTED = 200;

/** What is asked of heads; what is not as at the start. */
export function relationsOf({ sort, relation, layers, sentences, least }: CorpusState) {
  return {
    ...(layers.length === 0 ? {} : { layers: [...layers] }),
    ...(sentences === RELATIONS.sentences.default ? {} : { sentences }),
    ...(least === RELATIONS.min_count.default ? {} : { min_count: least }),
    ...(relation === '' ? {} : { relation: [relation] }),
    ...(sort === RELATIONS.sort.default ? {} : { sort }),
    limit: LISTED,
  };
}

/** Whose labels are counted; null: there are none. */
export function summedOf(
  { of }: CorpusState,
  about: About,
  like: boolean,
  causal: boolean,
): CorpusState['of'] | null {
  const possible = of === 'attended' ? like : isLabelled(about) && (of === 'match' || causal);
  if (possible) return of;
  return isLabelled(about) ? 'match' : null;
}
