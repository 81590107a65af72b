/** What colours a cell and what is written in it: one number per cell, its scale, its text. */
import { logit, nats, NONE, probability, signed } from '../format';
import { shownSide, topLabel, type Cell, type Lens, type LensSide, type Mode } from './data';
import type { Scale } from '../legendBar';
import { look, table, type ColourMaps, type Theme } from '../lut';

export type LensKind = 'top' | 'probability' | 'logit' | 'rank' | 'kl' | 'entropy';

export interface LensLook {
  /** What colours a cell. */
  kind: LensKind;
  /** What is written in it: its top token, or the number that colours it. */
  text: 'token' | 'value';
  /** KL is of distributions that were clipped from below. */
  clipped: boolean;
}

export interface Painted {
  /** Packed RGBA, row by row; 0 where there is no number. */
  colours: Uint32Array;
  scale: Scale;
  /** What a cell says; one of the two, as the person chose. */
  label: (row: number, column: number) => string;
  /** The label is a number: it is shown whole or not at all. */
  numeric: boolean;
}

/** One number per cell, and how it is drawn and written. */
interface Measure {
  values: ArrayLike<number>;
  share: (value: number) => number;
  text: (value: number) => string;
  scale: Scale;
}

/** Brighter is nearer to the final answer: likelier, better ranked, less uncertain. */
export function paintLens(
  lens: Lens,
  spec: LensLook,
  mode: Mode,
  vocabulary: number,
  theme: Theme,
  maps?: ColourMaps,
): Painted {
  const { values } = shownSide(lens, mode);
  const measure =
    lens.edited && mode === 'difference'
      ? measureChange(lens, lens.edited, spec.kind)
      : measureSide(lens, values, spec, vocabulary);
  const lut = table(measure.scale.kind, theme, maps);
  const numeric = spec.text === 'value';
  return {
    colours: coloursOf(lens, measure, lut),
    scale: measure.scale,
    numeric,
    label: numeric
      ? (row, column) => measure.text(measure.values[row * lens.columns + column] ?? Number.NaN)
      : (row, column) => topLabel(lens, values, row, column),
  };
}

function coloursOf(lens: Lens, measure: Measure, lut: Uint32Array): Uint32Array {
  const colours = new Uint32Array(lens.rows * lens.columns);
  for (let at = 0; at < colours.length; at++) {
    const value = measure.values[at] ?? Number.NaN;
    colours[at] = Number.isNaN(value) ? 0 : look(lut, measure.share(value));
  }
  return colours;
}

/** "␣Tokyo", "the final top token": what probability, logit and rank are of. */
export function scoredWords(lens: Lens): string {
  const { target, follow } = lens.meta;
  if (target) return target.label;
  return {
    final: 'the final top token',
    next: 'the true next token',
    input: 'the token itself',
  }[follow];
}

/** What stands for the logit: the objective, where another was asked for. */
export function logitWords(lens: Lens, side: LensSide): string {
  return (side.objective && lens.meta.objective) || `logit of ${scoredWords(lens)}`;
}

/** The number that a kind takes from a cell, as text. */
export function cellValue(here: Cell, kind: LensKind): string {
  switch (kind) {
    case 'top':
      return probability(here.top[0]?.probability ?? Number.NaN);
    case 'probability':
      return probability(here.probability);
    case 'logit':
      return logit(here.objective ?? here.logit);
    case 'rank':
      return rankText(here.rank || Number.NaN);
    case 'kl':
    case 'entropy':
      return nats(here[kind]);
  }
}

// ------------------------------------------------------------------ one side

function measureSide(
  lens: Lens,
  side: LensSide,
  { kind, clipped }: Pick<LensLook, 'kind' | 'clipped'>,
  vocabulary: number,
): Measure {
  const of = scoredWords(lens);
  switch (kind) {
    case 'top':
      return share('probability of the cell’s own top token', topProbabilities(lens, side));
    case 'probability':
      return share(`probability of ${of}`, side.probability);
    case 'logit':
      return logits(lens, side);
    case 'rank':
      return ranks(side, of, vocabulary);
    case 'kl':
      return falling(
        `KL(final ‖ this)${clipped ? ' of clipped probabilities' : ''}`,
        side.kl,
        robustTop(lens, 'kl'),
      );
    case 'entropy':
      return falling('entropy', side.entropy, { most: Math.log(vocabulary), beyond: false });
  }
}

function topProbabilities(lens: Lens, side: LensSide): Float32Array {
  return Float32Array.from(
    { length: lens.rows * lens.columns },
    (_, at) => side.topProbabilities[at * lens.k] ?? Number.NaN,
  );
}

function share(name: string, values: Float32Array): Measure {
  return {
    values,
    share: (value) => value,
    text: probability,
    scale: sequential(name, ['0', '0.5', '1']),
  };
}

/** Logits have no natural ends: the scale has those of all but the outliers. */
function logits(lens: Lens, side: LensSide): Measure {
  const { low, high, below, above } = fences(lens, side.objective ? 'objective' : 'logit');
  const room = high - low || 1;
  return {
    values: side.objective ?? side.logit,
    share: (value) => (value - low) / room,
    text: logit,
    scale: sequential(logitWords(lens, side), [
      `${below ? '≤ ' : ''}${logit(low)}`,
      logit((low + high) / 2),
      `${above ? '≥ ' : ''}${logit(high)}`,
    ]),
  };
}

function ranks(side: LensSide, of: string, vocabulary: number): Measure {
  const most = Math.log(Math.max(2, vocabulary));
  return {
    values: Float64Array.from(side.rank, (rank) => rank || Number.NaN),
    share: (rank) => 1 - Math.log(rank) / most,
    text: rankText,
    scale: sequential(
      `rank of ${of}`,
      [vocabulary.toLocaleString('en'), String(Math.round(Math.sqrt(vocabulary))), '1'],
      'log scale',
    ),
  };
}

/** "1", "42", "12k": in a cell the # of other places would be noise. */
function rankText(rank: number): string {
  if (Number.isNaN(rank)) return NONE;
  if (rank < 1000) return String(rank);
  return rank < 1e6 ? `${Math.round(rank / 1000)}k` : `${(rank / 1e6).toFixed(1)}M`;
}

/** Bright is small: nats of which zero is the answer itself. */
function falling(name: string, values: Float32Array, top: Top): Measure {
  const { most, beyond } = top;
  return {
    values,
    share: (value) => 1 - value / most,
    text: nats,
    scale: sequential(name, [`${beyond ? '≥ ' : ''}${short(most)}`, short(most / 2), '0'], 'nats'),
  };
}

interface Top {
  most: number;
  /** Some cells exceed it. */
  beyond: boolean;
}

/** From zero to the largest but for outliers. */
function robustTop(lens: Lens, name: 'kl'): Top {
  const { high, above } = fences(lens, name);
  return { most: high > 0 ? high : 1, beyond: above };
}

interface Fences {
  low: number;
  high: number;
  /** Some cells lie beyond. */
  below: boolean;
  above: boolean;
}

/**
 * Ends of a scale that a few extreme cells, often the embedding row, do not stretch: one and a half
 * times the distance between the quartiles beyond them (Tukey 1977). Both sides share them.
 */
function fences(lens: Lens, name: 'kl' | 'logit' | 'objective'): Fences {
  const sorted = finite([...(lens.baseline[name] ?? []), ...(lens.edited?.[name] ?? [])]);
  const [least, most] = [sorted[0] ?? 0, sorted.at(-1) ?? 0];
  const [first, third] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
  const reach = 1.5 * (third - first);
  const [low, high] = [Math.max(least, first - reach), Math.min(most, third + reach)];
  return { low, high, below: least < low, above: most > high };
}

// ------------------------------------------------------------------ edited against baseline

function measureChange(lens: Lens, edited: LensSide, kind: LensKind): Measure {
  const { baseline, klBetween } = lens;
  const of = scoredWords(lens);
  const minus = (from: ArrayLike<number>, less: ArrayLike<number>) =>
    Float32Array.from({ length: from.length }, (_, at) => (from[at] ?? 0) - (less[at] ?? 0));
  switch (kind) {
    case 'kl':
      return between(klBetween ?? new Float32Array(lens.rows * lens.columns));
    case 'top':
      return change(
        'change of the top token’s probability',
        minus(topProbabilities(lens, edited), topProbabilities(lens, baseline)),
      );
    case 'probability':
      return change(
        `change of the probability of ${of}`,
        minus(edited.probability, baseline.probability),
      );
    case 'logit':
      return change(
        `change of the ${logitWords(lens, baseline)}`,
        minus(edited.objective ?? edited.logit, baseline.objective ?? baseline.logit),
        '',
        1,
      );
    case 'rank':
      return change(
        `change of the rank of ${of}`,
        Float32Array.from(edited.rank, (rank, at) => Math.log2((baseline.rank[at] ?? 0) / rank)),
        'halvings; blue is better',
        1,
      );
    case 'entropy':
      return change('change of the entropy', minus(edited.entropy, baseline.entropy), 'nats', 2);
  }
}

function between(values: Float32Array): Measure {
  const most = largest(values);
  return {
    values,
    share: (value) => value / most,
    text: nats,
    scale: sequential('KL(baseline ‖ edited)', ['0', short(most / 2), short(most)], 'nats'),
  };
}

function change(name: string, values: Float32Array, note = '', digits = 3): Measure {
  const most = largest(values);
  return {
    values,
    share: (value) => 0.5 + value / (2 * most),
    text: (value) => (Number.isNaN(value) ? NONE : signed(value, digits)),
    scale: {
      kind: 'diverging',
      name,
      ticks: [`−${short(most)}`, '0', `+${short(most)}`],
      note,
    },
  };
}

// ------------------------------------------------------------------ numbers

function finite(values: Iterable<number>): Float32Array {
  return Float32Array.from([...values].filter(Number.isFinite)).toSorted();
}

function quantile(sorted: Float32Array, part: number): number {
  return sorted[Math.round(part * (sorted.length - 1))] ?? 0;
}

function largest(values: Float32Array): number {
  let most = 0;
  for (const value of values)
    if (Math.abs(value) > most && Number.isFinite(value)) most = Math.abs(value);
  return most || 1;
}

function sequential(name: string, ticks: string[], note = ''): Scale {
  return { kind: 'sequential', name, ticks, note };
}

function short(value: number): string {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}
