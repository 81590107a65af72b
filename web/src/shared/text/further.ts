/**
 * Options of the questions that no control of the page says: in the address, in the request and in the
 * Python all the same. Lens and flow graph keep theirs in their own state.
 */
import { QUESTIONS } from '../../questions.gen';
import type { Field, Fields } from './fields';
import { chosen, defaultsOf, optionFields, optionsPython } from './options';

/** What controls say, or the server alone. */
const SAID = {
  predictions: ['position', 'top_k', 'target', 'distractor', 'layers', 'sub_updates'],
  labels: ['top_k'],
  component: ['target', 'position', 'top_k', 'downstream'],
  heads: ['kind', 'layers', 'part', 'score'],
  thumbnails: ['layers', 'part'],
  patch_pairs: ['site', 'into', 'layers', 'positions', 'template', 'pairs'],
  generate: ['max_new_tokens', 'temperature', 'seed'],
  build: ['projection', 'restart', 'top_k', 'layers'],
  search: [
    'words',
    'projection',
    'layers',
    'limit',
    'offset',
    'match',
    'combine',
    'side',
    'ranking',
  ],
  token: ['token', 'projection', 'layers', 'limit', 'offset', 'side'],
  similar: ['target', 'tokens', 'state', 'projection', 'layers', 'limit', 'offset'],
  vector: ['target', 'projection'],
  browse: ['layer', 'projection', 'first', 'count'],
  clusters: ['projection', 'method', 'n', 'seed', 'offset', 'limit'],
  cluster: ['projection', 'method', 'n', 'seed', 'cluster', 'sample_seed'],
  corpus_build: [
    'upload',
    'files',
    'name',
    'layers',
    'kept',
    'split',
    'max_tokens',
    'spacy',
    'column',
    'metadata',
    'examples',
    'restart',
    'add',
    'tables', // whose bucket texts are read into is for a person to say, not for a link
  ],
  corpus: [
    'corpus',
    'position',
    'word',
    'lemma',
    'pos',
    'tag',
    'dep',
    'entity',
    'near',
    'reach',
    'file',
    'metadata',
    'layer',
    'by',
    'heads',
    'weighting',
    'summarise',
    'narrow',
    'exact',
    'offsets',
    'limit',
    'offset',
  ],
  sentences: ['corpus', 'rows', 'layer', 'heads'],
  examples: ['corpus', 'target'],
  relations: ['corpus', 'layers', 'sentences', 'min_count', 'relation', 'sort', 'limit'],
  sae_train: [
    'site',
    'corpus',
    'upload',
    'files',
    'name',
    'latents',
    'k',
    'activation',
    'skip',
    'tokens',
    'uses',
    'checkpoint',
    'column',
    'restart',
  ],
  // Who is asked, and whether texts may leave the machine, is for a person to say, not for a link.
  explain: ['corpus', 'nodes', 'explainer', 'style', 'judge', 'consent', 'keep'],
  score: ['corpus', 'node', 'explanation', 'judge', 'consent'],
} as const;

export type Asking = keyof typeof SAID;
/** What each further option is set to, by question. */
export type Further = Readonly<Record<Asking, object>>;
interface Whole {
  further: Further;
}

const TABLES = Object.fromEntries(
  Object.entries(SAID).map(([name, said]: [string, readonly string[]]) => {
    const table = Object.entries(QUESTIONS[name as Asking]);
    return [name, Object.fromEntries(table.filter(([option]) => !said.includes(option)))];
  }),
) as Readonly<Record<Asking, object>>;

export const FURTHER = Object.fromEntries(
  Object.entries(TABLES).map(([name, table]) => [name, defaultsOf(table)]),
) as Further;

/** Their parts of the address: "search.name". */
export const furtherFields: Fields<Whole> = Object.fromEntries(
  Object.entries(TABLES).flatMap(([name, table]) =>
    Object.entries(optionFields<object>(name, table, {})).map(([key, made]) => [
      key,
      inside(name as Asking, made),
    ]),
  ),
);

function inside(name: Asking, { write, read }: Field<object>): Field<Whole> {
  return {
    write: ({ further }) => write(further[name]),
    read: (state, value) => {
      const values = { ...state.further[name] };
      const good = read(values, value);
      if (good) state.further = { ...state.further, [name]: values };
      return good;
    },
  };
}

/** Those that are not as at the start: the rest of a request. */
export function furtherOf({ further }: Whole, name: Asking): object {
  return chosen(further[name] as never, TABLES[name] as never);
}

/** As arguments of a call. */
export function furtherPython(spec: Whole, name: Asking): string[] {
  return optionsPython(furtherOf(spec, name));
}
