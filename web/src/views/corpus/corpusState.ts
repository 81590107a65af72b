/** What is asked of a corpus: as state, as parts of the address. */
import { QUESTIONS } from '../../questions.gen';
import { change, useSpec, useStore } from '../../shared/state/store';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import {
  choice,
  field,
  flag,
  integer,
  list,
  text,
  viewState,
  type Field,
  type Fields,
} from '../../shared/text/fields';

const ASKED = QUESTIONS.corpus;
export const ASKS = ['like', 'labels', 'heads', 'build'] as const;
/** What filters tokens, each a list of which one must fit. */
export const FILTERS = [
  'word',
  'lemma',
  'pos',
  'tag',
  'dep',
  'entity',
  'near',
  'file',
  'metadata',
] as const;
export type Filter = (typeof FILTERS)[number];
export const OF = ASKED.summarise.choices;
const RELATIONS = QUESTIONS.relations;
export const SENTENCES = [100, 300, 1000, 3000] as const;
export const LEAST = [1, 10, 30, 100, 300] as const;
/** What columns beside the lines show of their tokens. */
export const SHOWN = ['word', 'pos', 'tag', 'dep', 'entity'] as const;
export const LIMITS = [50, 100, 200] as const;

export interface CorpusState extends Record<Filter, readonly string[]> {
  /** Which corpus; "": the first that there is. */
  name: string;
  /** Tokens like one of the prompt, all that the filter leaves, what heads look at, or another corpus. */
  ask: (typeof ASKS)[number];
  by: (typeof ASKED.by.choices)[number];
  weighting: (typeof ASKED.weighting.choices)[number];
  /** Null: the last that is kept. */
  layer: number | null;
  /** None: all of the layer. */
  heads: readonly number[];
  reach: number;
  /** Whose labels are counted. */
  of: (typeof OF)[number];
  limit: number;
  /** Every token is compared, of a large corpus too. */
  exact: boolean;
  /** Of what heads look at: by what, which relation ("": any), in whose layers (none: all), how much. */
  sort: (typeof RELATIONS.sort.choices)[number];
  relation: string;
  layers: readonly number[];
  sentences: number;
  least: number;
  /** The pass over the corpus that this takes was asked for. */
  through: boolean;
  /** Attention from the match lies behind its sentence. */
  lit: boolean;
  /** Columns beside each line: the tokens so far from the match. */
  offsets: readonly number[];
  /** What they show of it. */
  column: (typeof SHOWN)[number];
  /** By what lines are sorted: as they were found, by the match, or by the token at an offset. */
  order: string;
  /** Of those listed only these, as "attended.pos=NOUN"; none: all. */
  only: readonly string[];
  /** The token that is looked at, by its number in the corpus. */
  chosen: number | null;
}

export const CORPUS: Readonly<CorpusState> = {
  name: '',
  ask: 'like',
  by: ASKED.by.default,
  weighting: ASKED.weighting.default,
  layer: null,
  heads: [],
  word: [],
  lemma: [],
  pos: [],
  tag: [],
  dep: [],
  entity: [],
  near: [],
  file: [],
  metadata: [],
  reach: ASKED.reach.default,
  of: 'match',
  limit: ASKED.limit.default,
  exact: false,
  sort: RELATIONS.sort.default,
  relation: '',
  layers: [],
  sentences: RELATIONS.sentences.default,
  least: RELATIONS.min_count.default,
  through: false,
  lit: false,
  offsets: [],
  column: 'word',
  order: 'score',
  only: [],
  chosen: null,
};

/** Of columns of tokens around the match. */
export const FARTHEST = 9;
export const MOST_OFFSETS = 6;

const MOST = 999_999_999;
const ONLY = /^(match|next|attended)\.(pos|tag|dep|entity|offset)=/;

/** A label may have a comma in it. */
function labels(name: Filter | 'only', legal = /^/): Field<CorpusState> {
  return list<CorpusState, string>(
    name,
    (value) => {
      try {
        const found = value.split(',').map(decodeURIComponent);
        return found.every((one) => one !== '' && one.length <= 200 && legal.test(one))
          ? found
          : undefined;
      } catch {
        return undefined;
      }
    },
    (items) => items.map(encodeURIComponent).join(','),
  );
}

/** As ranges. */
function numbers(name: 'heads' | 'layers'): Field<CorpusState> {
  return list<CorpusState, number>(
    name,
    (value) => {
      const found = parsePositions(value);
      return Array.isArray(found) && found.every((one) => one >= 0) ? found : undefined;
    },
    (found) => (found.length === 0 ? '' : formatPositions(found).replaceAll(' ', '')),
  );
}

const FIELDS: Fields<CorpusState> = {
  cc: text(CORPUS, 'name'),
  cask: choice(CORPUS, 'ask', ASKS),
  cby: choice(CORPUS, 'by', ASKED.by.choices),
  cweight: choice(CORPUS, 'weighting', ASKED.weighting.choices),
  clayer: field(CORPUS, 'layer', (value) => (/^\d{1,4}$/.test(value) ? Number(value) : undefined)),
  cheads: numbers('heads'),
  ...Object.fromEntries(FILTERS.map((name) => [`c${name}`, labels(name)])),
  creach: integer(CORPUS, 'reach', 1, 4096),
  cof: choice(CORPUS, 'of', OF),
  cn: field(CORPUS, 'limit', (value) => LIMITS.find((one) => String(one) === value)),
  cexact: flag(CORPUS, 'exact'),
  csort: choice(CORPUS, 'sort', RELATIONS.sort.choices),
  crel: text(CORPUS, 'relation'),
  clayers: numbers('layers'),
  csent: integer(CORPUS, 'sentences', RELATIONS.sentences.low, RELATIONS.sentences.high),
  cleast: integer(CORPUS, 'least', 1, 999_999),
  cthrough: flag(CORPUS, 'through'),
  clit: flag(CORPUS, 'lit'),
  coff: list<CorpusState, number>(
    'offsets',
    (value) => {
      const found = value.split(',').map(Number);
      return found.every((one) => Number.isInteger(one) && one !== 0 && Math.abs(one) <= FARTHEST)
        ? [...new Set(found)].toSorted((one, other) => one - other).slice(0, MOST_OFFSETS)
        : undefined;
    },
    (offsets) => offsets.join(','),
  ),
  ccol: choice(CORPUS, 'column', SHOWN),
  corder: field(CORPUS, 'order', (value) =>
    /^(score|match|-?[1-9]\d?)$/.test(value) ? value : undefined,
  ),
  conly: labels('only', ONLY),
  cat: field(CORPUS, 'chosen', (value) => {
    const row = /^\d{1,9}$/.test(value) ? Number(value) : MOST + 1;
    return row <= MOST ? row : undefined;
  }),
};

export const corpusState = viewState(CORPUS, FIELDS);

declare module '../../shared/text/url' {
  interface ViewStates {
    /** What is asked of a corpus. */
    corpus: CorpusState;
  }
}

export function useCorpus(): CorpusState {
  return useSpec().corpus;
}

/** Another question has no token chosen yet. */
export function askCorpus(patch: Partial<CorpusState>, how: 'push' | 'replace' = 'push'): void {
  const { corpus } = useStore.getState().spec;
  change({ corpus: { ...corpus, chosen: null, only: [], ...patch } }, how);
}

/** How a thing is shown, with the same answer. */
export function showCorpus(patch: Partial<CorpusState>): void {
  const { corpus } = useStore.getState().spec;
  change({ corpus: { ...corpus, ...patch } }, 'replace');
}
