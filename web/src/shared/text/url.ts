/**
 * The address bar: the complete state of the page as `v=1&p=...`, defaults omitted, and back.
 *
 * It lives in the fragment, not in the query: a fragment is never sent, so a prompt reaches no log
 * and no length limit of a server. Reading never throws: what cannot be understood is left out and
 * named in `problems`, so that a damaged link opens with a notice.
 */
import { LIMITS, QUESTIONS } from '../../questions.gen';
import { NARROWEST, WIDEST } from '../../draw/zoom';
import { parseRow } from '../../draw/residual';
import { formatTarget, hasPage, parseTarget } from './address';
import { decodeEdit, encodeEdit } from './editUrl';
import { formatPositions, parsePositions, type Edit } from './edits';
import { FURTHER, furtherFields, type Further } from './further';
import {
  choice,
  field,
  flag,
  integer,
  text,
  writeFields,
  type Field,
  type Fields,
  type ViewState,
} from './fields';

export const VERSION = 1;
export const MODES = ['difference', 'baseline', 'edited'] as const;
export const FOLLOWS = ['target', ...QUESTIONS.lens.follow.choices] as const;

export interface Generation {
  tokens: number;
  temperature: number;
  seed: number;
}

const { max_new_tokens: LENGTH, temperature: TEMPERATURE, seed: SEED } = QUESTIONS.generate;

export const GENERATION: Readonly<Generation> = {
  tokens: LENGTH.default,
  temperature: TEMPERATURE.default,
  seed: SEED.default,
};

/** What views add to the page's state, each under its own name: `declare module` in their folders. */
// oxlint-disable-next-line typescript/no-empty-object-type
export interface ViewStates {}

/** The state that views share; the first view of the list is shown where none is named. */
export interface Shared {
  view: string;
  prompt: string;
  /** What the encoder of an encoder-decoder reads; the prompt is then its decoder's. */
  source: string;
  /** The second text of a sentence pair; the prompt is the first. */
  pair: string;
  /** The prompt is what the user of a chat says, or messages in JSON. */
  chat: boolean;
  target: string;
  distractor: string;
  /** What is scored: the token typed as target ("final" where none is), or one for each position. */
  follow: (typeof FOLLOWS)[number];
  edits: Edit[];
  /** Null: the last token, or the mask of a masked model. */
  position: number | null;
  /** Which positions the lens reads; null: all. */
  positions: number[] | null;
  /** A row of the lens ("L5.resid_post"); null: the last. */
  row: string | null;
  /** The node that the drawer shows. */
  node: string | null;
  mode: (typeof MODES)[number];
  table: boolean;
  /** Layer 0 at the top instead of at the bottom. */
  flipped: boolean;
  /** How many tokens are listed. */
  k: number;
  /** Pixels per token; null: as the prompt allows. */
  width: number | null;
  generation: Generation | null;
  /** Options of the questions that no control says. */
  further: Further;
}

export interface Spec extends Shared, ViewStates {}

const START: Readonly<Omit<Shared, 'view'>> = {
  prompt: '',
  source: '',
  pair: '',
  chat: false,
  target: '',
  distractor: '',
  follow: 'target',
  edits: [],
  position: null,
  positions: null,
  row: null,
  node: null,
  mode: 'difference',
  table: false,
  flipped: false,
  k: QUESTIONS.predictions.top_k.default,
  width: null,
  generation: null,
  further: FURTHER,
};

/** What the lens scores: a token, or one for each position. */
export function scoring(spec: Spec): { target: string | null; follow: 'final' | 'next' | 'input' } {
  const typed = spec.follow === 'target' && spec.target !== '';
  return {
    target: typed ? spec.target : null,
    follow: spec.follow === 'target' ? 'final' : spec.follow,
  };
}

export const MAX_EDITS = LIMITS.max_edits;
const MAX_POSITION = 1_000_000;

// ------------------------------------------------------------------ parts that views share

const FIELDS: Fields<Omit<Shared, 'view'>> = {
  p: text(START, 'prompt'),
  src: text(START, 'source'),
  pair: text(START, 'pair'),
  chat: flag(START, 'chat'),
  t: text(START, 'target'),
  d: text(START, 'distractor'),
  pos: integer(START, 'position', 0, MAX_POSITION),
  row: field(START, 'row', (value) => (parseRow(value) === null ? undefined : value)),
  node: field(START, 'node', (value) => {
    const node = parseTarget(value);
    return node !== null && hasPage(node) ? formatTarget(node) : undefined;
  }),
  mode: choice(START, 'mode', MODES),
  of: choice(START, 'follow', FOLLOWS),
  at: field(
    START,
    'positions',
    (value) => {
      const positions = parsePositions(value);
      return Array.isArray(positions) ? positions : undefined;
    },
    (positions) => formatPositions(positions).replaceAll(' ', ''),
  ),
  table: flag(START, 'table'),
  flip: flag(START, 'flipped'),
  k: integer(START, 'k', 1, LIMITS.max_k),
  w: field(START, 'width', (value) => {
    const width = /^\d{1,3}(\.\d{1,2})?$/.test(value) ? Number(value) : Number.NaN;
    return width >= NARROWEST && width <= WIDEST ? width : undefined;
  }),
  gen: field(START, 'generation', decodeGeneration, encodeGeneration),
  ...furtherFields,
};

/** What is asked stands in front of what is changed and how it is looked at. */
const ASKED: readonly string[] = ['src', 'p', 'pair', 'chat', 't', 'd'];

// ------------------------------------------------------------------ the address of a list of views

export interface Decoded {
  spec: Spec;
  problems: string[];
}

export interface Address {
  DEFAULTS: Readonly<Spec>;
  /** "" for the start page, else "v=1&p=...". */
  encodeSpec: (spec: Spec) => string;
  /** Reads what encodeSpec wrote, or anything else; a leading # or ? is ignored. */
  decodeSpec: (address: string) => Decoded;
}

export interface Addressed {
  id: string;
  state?: ViewState;
}

/** The address of a page with these views; the first is the one that it opens with. */
export function addressOf(views: readonly Addressed[]): Address {
  const start = { view: views[0]?.id ?? '' };
  const view = choice(
    start,
    'view',
    views.map(({ id }) => id),
  );
  const states = views.flatMap(({ id, state }) =>
    state ? [{ id, start: state.start, fields: state.fields as Fields<object> }] : [],
  );
  const readers = readersOf(view, states);
  const fresh = (): Spec =>
    ({
      ...start,
      ...START,
      edits: [],
      ...Object.fromEntries(states.map((own) => [own.id, { ...own.start }])),
    }) as unknown as Spec;
  return {
    DEFAULTS: fresh(),
    encodeSpec: (spec) => {
      const shared = writeFields(spec, FIELDS);
      const isAsked = ([key]: readonly [string, string]) => ASKED.includes(key);
      const pairs = [
        ...writeFields(spec, { view }),
        ...shared.filter(isAsked),
        ...spec.edits.map((made): [string, string] => ['e', encodeEdit(made)]),
        ...shared.filter((pair) => !isAsked(pair)),
        ...states.flatMap(({ id, fields }) => writeFields(ownOf(spec, id), fields)),
      ];
      return pairs.length === 0 ? '' : written([['v', String(VERSION)], ...pairs]);
    },
    decodeSpec: (address) => {
      const spec = fresh();
      const problems: string[] = [];
      for (const [key, value] of readPairs(address, problems)) {
        const read = readers.get(key);
        if (!read) problems.push(`“${clip(key)}” is not a part of an address of this version.`);
        else if (!read(spec, value))
          problems.push(`“${clip(key)}=${clip(value)}” could not be read, and is left out.`);
      }
      return { spec, problems: [...new Set(problems)] };
    },
  };
}

interface OwnState {
  id: string;
  start: object;
  fields: Fields<object>;
}

type Reader = (spec: Spec, value: string) => boolean;

function readersOf(
  view: Field<{ view: string }>,
  states: readonly OwnState[],
): ReadonlyMap<string, Reader> {
  const readers = new Map<string, Reader>([
    ['v', (_spec, value) => value === String(VERSION)],
    ['view', view.read],
    ['e', readEdit],
  ]);
  const add = (key: string, read: Reader) => {
    // Two views with one name for different things: one of them would silently lose its state.
    if (readers.has(key)) throw new Error(`“${key}” stands for two parts of the address.`);
    readers.set(key, read);
  };
  for (const [key, { read }] of Object.entries(FIELDS)) add(key, read);
  for (const { id, fields } of states)
    for (const [key, { read }] of Object.entries(fields))
      add(key, (spec, value) => read(ownOf(spec, id), value));
  return readers;
}

function readEdit(spec: Spec, value: string): boolean {
  const made = spec.edits.length < MAX_EDITS ? decodeEdit(value) : null;
  if (made) spec.edits.push(made);
  return made !== null;
}

function ownOf(spec: Spec, view: string): object {
  return (spec as unknown as Record<string, object>)[view] ?? {};
}

// ------------------------------------------------------------------ generation

function encodeGeneration(generation: Generation): string {
  return `${generation.tokens},${generation.temperature},${generation.seed}`;
}

function decodeGeneration(value: string): Generation | undefined {
  const found = /^(\d{1,4}),(\d{1,2}(?:\.\d{1,6})?),(\d{1,10})$/.exec(value);
  if (!found) return undefined;
  const [tokens, temperature, seed] = [Number(found[1]), Number(found[2]), Number(found[3])];
  const good = tokens >= LENGTH.low && temperature <= TEMPERATURE.high && seed < 2 ** 31;
  return good ? { tokens, temperature, seed } : undefined;
}

// ------------------------------------------------------------------ escapes

function written(pairs: ReadonlyArray<readonly [string, string]>): string {
  return pairs.map(([key, value]) => `${key}=${escapeValue(value)}`).join('&');
}

/** Percent-encoding that leaves readable what a fragment may hold; a space is written +. */
function escapeValue(value: string): string {
  return encodeURIComponent(value.toWellFormed())
    .replaceAll('%20', '+')
    .replace(/%(3B|2C|3A|40|2F|3D)/g, (code) => decodeURIComponent(code));
}

function readPairs(address: string, problems: string[]): Array<[string, string]> {
  const pairs: Array<[string, string]> = [];
  for (const part of address.replace(/^[#?]/, '').split('&')) {
    if (part === '') continue;
    const cut = part.indexOf('=');
    const [key, value] = cut < 0 ? [part, ''] : [part.slice(0, cut), part.slice(cut + 1)];
    try {
      pairs.push([decodeURIComponent(key), decodeURIComponent(value.replaceAll('+', ' '))]);
    } catch {
      problems.push(`“${clip(part)}” is not valid percent-encoding, and is left out.`);
    }
  }
  return pairs;
}

function clip(shown: string): string {
  return shown.length > 40 ? `${shown.slice(0, 39)}…` : shown;
}
