/**
 * The address bar: the complete state of the page as `v=1&p=...`, defaults omitted, and back.
 *
 * It lives in the fragment, not in the query: a fragment is never sent, so a prompt reaches no log
 * and no length limit of a server. Reading never throws: what cannot be understood is left out and
 * named in `problems`, so that a damaged link opens with a notice.
 */
import { formatTarget, parseRow, parseTarget } from './address';
import { decodeEdit, encodeEdit } from './editUrl';
import { encodeExplore, EXPLORE, EXPLORE_READERS, type Explore } from './explore';
import { formatPositions, parsePositions, type Edit } from './edits';
import { encodeFlow, FLOW, FLOW_READERS, type Flow } from '../../views/flow/flowUrl';

export const VERSION = 1;
export const VIEWS = ['predictions', 'lens', 'flow', 'explore', 'component'] as const;
export const MODES = ['difference', 'baseline', 'edited'] as const;
export const KINDS = ['top', 'probability', 'logit', 'rank', 'kl', 'entropy'] as const;
export const TEXTS = ['token', 'value'] as const;
export const FOLLOWS = ['target', 'final', 'next', 'input'] as const;

export interface Generation {
  tokens: number;
  temperature: number;
  seed: number;
}

export interface Spec {
  view: (typeof VIEWS)[number];
  prompt: string;
  target: string;
  distractor: string;
  edits: Edit[];
  /** Null: the last token, or the mask of a masked model. */
  position: number | null;
  /** A row of the lens ("L5.resid_post"); null: the last. */
  row: string | null;
  /** The node that the drawer shows. */
  node: string | null;
  mode: (typeof MODES)[number];
  /** What colours a cell of the lens. */
  kind: (typeof KINDS)[number];
  /** What is written in it: its top token, or the number that colours it. */
  text: (typeof TEXTS)[number];
  /** A lens row before the first block. */
  embedding: boolean;
  /** Lens rows after every block, every second, ... */
  step: number;
  /** Lens rows after attention, too. */
  subblocks: boolean;
  /** What reads a state: "final_norm", "last_mlp", "last_block", or from a block on, "L16", "L16.mlp". */
  decoder: string;
  /** What is scored: the token typed as target ("final" where none is), or one for each position. */
  follow: (typeof FOLLOWS)[number];
  /** Which positions the lens reads; null: all. */
  positions: number[] | null;
  /** KL of distributions that are clipped from below first, at a tenth of a uniform one. */
  clipped: boolean;
  table: boolean;
  /** Layer 0 at the top instead of at the bottom. */
  flipped: boolean;
  /** How many tokens are listed. */
  k: number;
  /** Layers whose parts are shown; "all". */
  open: number[] | 'all';
  /** How many neurons and heads of each such layer. */
  parts: number;
  /** Pixels per token; null: as the prompt allows. */
  width: number | null;
  generation: Generation | null;
  /** What is asked of the vector index. */
  explore: Explore;
  /** What the flow graph shows. */
  flow: Flow;
}

export const DEFAULTS: Readonly<Spec> = {
  view: 'predictions',
  prompt: '',
  target: '',
  distractor: '',
  edits: [],
  position: null,
  row: null,
  node: null,
  mode: 'difference',
  kind: 'probability',
  text: 'token',
  embedding: true,
  step: 1,
  subblocks: false,
  decoder: 'final_norm',
  follow: 'target',
  positions: null,
  clipped: false,
  table: false,
  flipped: false,
  k: 10,
  open: [],
  parts: 10,
  width: null,
  generation: null,
  explore: EXPLORE,
  flow: FLOW,
};

/** What the lens scores: a token, or one for each position. */
export function scoring(spec: Spec): { target: string | null; follow: 'final' | 'next' | 'input' } {
  const typed = spec.follow === 'target' && spec.target !== '';
  return {
    target: typed ? spec.target : null,
    follow: spec.follow === 'target' ? 'final' : spec.follow,
  };
}

export const MAX_EDITS = 64;
const MAX_LAYERS = 1024;
const MAX_PARTS = 50;
const MAX_POSITION = 1_000_000;
export const MAX_STEP = 999;
/** Pixels per token. */
export const NARROWEST = 1;
export const WIDEST = 200;
const DECODER = /^(final_norm|last_mlp|last_block|L\d{1,4}(\.mlp)?)$/;

/** "" for the start page, else "v=1&p=...". */
export function encodeSpec(spec: Spec): string {
  const pairs: Array<[string, string]> = [];
  const put = (key: string, value: string | null, omit: string | null = '') => {
    if (value !== null && value !== omit) pairs.push([key, value]);
  };
  put('view', spec.view, DEFAULTS.view);
  put('p', spec.prompt);
  put('t', spec.target);
  put('d', spec.distractor);
  for (const made of spec.edits) put('e', encodeEdit(made));
  put('pos', spec.position === null ? null : String(spec.position));
  put('row', spec.row);
  put('node', spec.node);
  put('mode', spec.mode, DEFAULTS.mode);
  put('kind', spec.kind, DEFAULTS.kind);
  put('text', spec.text, DEFAULTS.text);
  put('emb', spec.embedding ? null : '0');
  put('step', String(spec.step), String(DEFAULTS.step));
  put('sub', spec.subblocks ? '1' : null);
  put('dec', spec.decoder, DEFAULTS.decoder);
  put('of', spec.follow, DEFAULTS.follow);
  put('at', spec.positions && formatPositions(spec.positions).replaceAll(' ', ''));
  put('clip', spec.clipped ? '1' : null);
  put('table', spec.table ? '1' : null);
  put('flip', spec.flipped ? '1' : null);
  put('k', String(spec.k), String(DEFAULTS.k));
  put('open', spec.open === 'all' ? 'all' : formatPositions(spec.open).replaceAll(' ', ''));
  put('parts', String(spec.parts), String(DEFAULTS.parts));
  put('w', spec.width === null ? null : String(spec.width));
  put('gen', spec.generation && encodeGeneration(spec.generation));
  pairs.push(...encodeExplore(spec.explore), ...encodeFlow(spec.flow));
  if (pairs.length === 0) return '';
  return [['v', String(VERSION)] as [string, string], ...pairs]
    .map(([key, value]) => `${key}=${escapeValue(value)}`)
    .join('&');
}

export interface Decoded {
  spec: Spec;
  problems: string[];
}

/** Reads what encodeSpec wrote, or anything else; a leading # or ? is ignored. */
export function decodeSpec(address: string): Decoded {
  const spec: Spec = { ...DEFAULTS, edits: [], explore: { ...EXPLORE }, flow: { ...FLOW } };
  const problems: string[] = [];
  for (const [key, value] of readPairs(address, problems)) {
    const read = READERS[key];
    if (!read) problems.push(`“${clip(key)}” is not a part of an address of this version.`);
    else if (!read(spec, value))
      problems.push(`“${clip(key)}=${clip(value)}” could not be read, and is left out.`);
  }
  return { spec, problems: [...new Set(problems)] };
}

type Reader = (spec: Spec, value: string) => boolean;

const READERS: Record<string, Reader | undefined> = {
  __proto__: null as never,
  v: (_spec, value) => value === String(VERSION),
  view: oneOf('view', VIEWS),
  mode: oneOf('mode', MODES),
  kind: oneOf('kind', KINDS),
  /** The name in older links. */
  colour: oneOf('kind', KINDS),
  text: oneOf('text', TEXTS),
  of: oneOf('follow', FOLLOWS),
  p: text('prompt'),
  t: text('target'),
  d: text('distractor'),
  e: (spec, value) => {
    const made = spec.edits.length < MAX_EDITS ? decodeEdit(value) : null;
    if (made) spec.edits.push(made);
    return made !== null;
  },
  pos: integer(0, MAX_POSITION, (spec, value) => (spec.position = value)),
  row: (spec, value) => {
    const good = parseRow(value) !== null;
    if (good) spec.row = value;
    return good;
  },
  node: (spec, value) => {
    const node = parseTarget(value);
    const good = node !== null && node.kind !== 'site' && !('query' in node);
    if (good) spec.node = formatTarget(node);
    return good;
  },
  emb: flag('embedding'),
  step: integer(1, MAX_STEP, (spec, value) => (spec.step = value)),
  sub: flag('subblocks'),
  dec: (spec, value) => {
    const good = DECODER.test(value);
    if (good) spec.decoder = value;
    return good;
  },
  at: (spec, value) => {
    const positions = parsePositions(value);
    if (Array.isArray(positions)) spec.positions = positions;
    return Array.isArray(positions);
  },
  clip: flag('clipped'),
  table: flag('table'),
  flip: flag('flipped'),
  k: integer(1, 100, (spec, value) => (spec.k = value)),
  open: (spec, value) => {
    const layers = value === 'all' ? value : parsePositions(value, MAX_LAYERS);
    const good = layers === 'all' || (Array.isArray(layers) && (layers[0] ?? -1) >= 0);
    if (good) spec.open = layers;
    return good;
  },
  parts: integer(1, MAX_PARTS, (spec, value) => (spec.parts = value)),
  w: (spec, value) => {
    const width = /^\d{1,3}(\.\d{1,2})?$/.test(value) ? Number(value) : Number.NaN;
    const good = width >= NARROWEST && width <= WIDEST;
    if (good) spec.width = width;
    return good;
  },
  gen: (spec, value) => {
    const generation = decodeGeneration(value);
    if (generation) spec.generation = generation;
    return generation !== null;
  },
  ...Object.fromEntries(
    Object.entries(EXPLORE_READERS).map(([key, read]): [string, Reader] => [
      key,
      (spec, value) => read(spec.explore, value),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(FLOW_READERS).map(([key, read]): [string, Reader] => [
      key,
      (spec, value) => read(spec.flow, value),
    ]),
  ),
};

function oneOf<Key extends 'view' | 'mode' | 'kind' | 'text' | 'follow'>(
  key: Key,
  legal: readonly Spec[Key][],
): Reader {
  return (spec, value) => {
    const found = legal.find((name) => name === value);
    if (found !== undefined) spec[key] = found;
    return found !== undefined;
  };
}

function text(key: 'prompt' | 'target' | 'distractor'): Reader {
  return (spec, value) => {
    spec[key] = value;
    return true;
  };
}

function flag(key: 'embedding' | 'subblocks' | 'clipped' | 'table' | 'flipped'): Reader {
  return (spec, value) => {
    spec[key] = value === '1';
    return value === '1' || value === '0';
  };
}

function integer(low: number, high: number, set: (spec: Spec, value: number) => void): Reader {
  return (spec, value) => {
    const number = /^\d{1,7}$/.test(value) ? Number(value) : Number.NaN;
    const good = number >= low && number <= high;
    if (good) set(spec, number);
    return good;
  };
}

// ------------------------------------------------------------------ generation

function encodeGeneration(generation: Generation): string {
  return `${generation.tokens},${generation.temperature},${generation.seed}`;
}

function decodeGeneration(value: string): Generation | null {
  const found = /^(\d{1,4}),(\d{1,2}(?:\.\d{1,6})?),(\d{1,10})$/.exec(value);
  if (!found) return null;
  const [tokens, temperature, seed] = [Number(found[1]), Number(found[2]), Number(found[3])];
  const good = tokens >= 1 && temperature <= 10 && seed < 2 ** 31;
  return good ? { tokens, temperature, seed } : null;
}

// ------------------------------------------------------------------ escapes

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
