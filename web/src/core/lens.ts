/** The lens grid as arrays, what a cell shows and what colours it. Knows no canvas and no React. */
import type { components } from '../api.gen';
import { rowLabel } from './address';
import { look, table, type Theme } from './lut';
import { readSafetensors, type Safetensors } from './safetensors';
import type { Spec } from './url';

export type TokenText = components['schemas']['TokenText'];
export type LensMetadata = components['schemas']['LensMetadata'];
export type SideName = 'baseline' | 'edited';

export interface LensSide {
  topIds: Uint32Array;
  topProbabilities: Float32Array;
  probability: Float32Array;
  rank: Uint32Array;
  kl: Float32Array;
  entropy: Float32Array;
}

export interface Lens {
  meta: LensMetadata;
  rows: number;
  columns: number;
  k: number;
  baseline: LensSide;
  edited: LensSide | null;
  klBetween: Float32Array | null;
  targetIds: Uint32Array;
  tokenOf: ReadonlyMap<number, TokenText>;
}

/** Reads the answer of POST /api/lens. */
export function readLens(buffer: ArrayBuffer): Lens {
  const file = readSafetensors(buffer);
  const meta = JSON.parse(file.metadata['lens'] ?? 'null') as LensMetadata | null;
  if (!meta) throw new Error('The lens answer has no description of itself.');
  const shape = file.tensors['baseline.top_ids']?.shape ?? [];
  return {
    meta,
    rows: meta.rows.length,
    columns: meta.tokens.length,
    k: shape[2] ?? 0,
    baseline: readSide(file, 'baseline'),
    edited: meta.edited ? readSide(file, 'edited') : null,
    klBetween: meta.edited ? floats(file, 'kl_between') : null,
    targetIds: words(file, 'baseline.target_ids'),
    tokenOf: new Map(meta.vocabulary.map((token) => [token.id, token])),
  };
}

function readSide(file: Safetensors, side: SideName): LensSide {
  return {
    topIds: words(file, `${side}.top_ids`),
    topProbabilities: floats(file, `${side}.top_probabilities`),
    probability: floats(file, `${side}.probability`),
    rank: words(file, `${side}.rank`),
    kl: floats(file, `${side}.kl`),
    entropy: floats(file, `${side}.entropy`),
  };
}

function floats(file: Safetensors, name: string): Float32Array {
  const data = file.tensors[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`The lens answer has no ${name}.`);
  return data;
}

function words(file: Safetensors, name: string): Uint32Array {
  const data = file.tensors[name]?.data;
  if (!(data instanceof Uint32Array)) throw new Error(`The lens answer has no ${name}.`);
  return data;
}

// ------------------------------------------------------------------ cells

export interface Ranked {
  token: TokenText;
  probability: number;
}

export interface Cell {
  top: Ranked[];
  target: TokenText;
  probability: number;
  rank: number;
  kl: number;
  entropy: number;
}

const UNKNOWN: TokenText = { id: -1, text: '', label: '?', special: false };

export function tokenLabel(lens: Lens, id: number | undefined): TokenText {
  return (id === undefined ? undefined : lens.tokenOf.get(id)) ?? { ...UNKNOWN, id: id ?? -1 };
}

/** Everything known of one cell of one side. */
export function cell(lens: Lens, side: LensSide, row: number, column: number): Cell {
  const at = row * lens.columns + column;
  const top: Ranked[] = [];
  for (let place = 0; place < lens.k; place++) {
    const index = at * lens.k + place;
    top.push({
      token: tokenLabel(lens, side.topIds[index]),
      probability: side.topProbabilities[index] ?? 0,
    });
  }
  return {
    top,
    target: tokenLabel(lens, lens.targetIds[column]),
    probability: side.probability[at] ?? 0,
    rank: side.rank[at] ?? 0,
    kl: side.kl[at] ?? 0,
    entropy: side.entropy[at] ?? 0,
  };
}

export function topLabel(lens: Lens, side: LensSide, row: number, column: number): string {
  return tokenLabel(lens, side.topIds[(row * lens.columns + column) * lens.k]).label;
}

/** 1 where the edits change the top token of a cell. */
export function changedCells(lens: Lens): Uint8Array {
  const changed = new Uint8Array(lens.rows * lens.columns);
  const { baseline, edited, k } = lens;
  if (edited) {
    for (let at = 0; at < changed.length; at++)
      changed[at] = baseline.topIds[at * k] === edited.topIds[at * k] ? 0 : 1;
  }
  return changed;
}

// ------------------------------------------------------------------ colours

export interface Scale {
  kind: 'sequential' | 'diverging';
  /** What the colour is, in a sentence part: "probability of ␣Tokyo". */
  name: string;
  /** Labels from the left end of the legend to the right one. */
  ticks: string[];
  note: string;
}

export interface Painted {
  colours: Uint32Array;
  scale: Scale;
}

/** Colours of all cells. Brighter is nearer to the final answer: likelier, better ranked, less uncertain. */
export function paintLens(
  lens: Lens,
  colour: Spec['colour'],
  mode: Spec['mode'],
  vocabulary: number,
  theme: Theme,
): Painted {
  const { edited } = lens;
  if (edited && mode === 'difference') return paintDifference(lens, edited, colour, theme);
  const side = edited && mode === 'edited' ? edited : lens.baseline;
  const of = lens.meta.target ? lens.meta.target.label : 'the final top token';
  const lut = table('sequential', theme);
  const fill = (share: (at: number) => number) => fillWith(lens, lut, share);
  switch (colour) {
    case 'probability':
      return {
        colours: fill((at) => side.probability[at] ?? 0),
        scale: sequential(`probability of ${of}`, ['0', '0.5', '1']),
      };
    case 'rank': {
      const most = Math.log1p(vocabulary);
      return {
        colours: fill((at) => 1 - Math.log1p(side.rank[at] ?? 0) / most),
        scale: sequential(
          `rank of ${of}`,
          [`${vocabulary.toLocaleString('en')}`, String(Math.round(Math.sqrt(vocabulary))), '0'],
          'log scale',
        ),
      };
    }
    case 'kl': {
      const most = largest(side.kl);
      return {
        colours: fill((at) => 1 - (side.kl[at] ?? 0) / most),
        scale: sequential('KL(final ‖ this)', falling(most), 'nats'),
      };
    }
    case 'entropy': {
      const most = Math.log(vocabulary);
      return {
        colours: fill((at) => 1 - (side.entropy[at] ?? 0) / most),
        scale: sequential('entropy', falling(most), 'nats'),
      };
    }
  }
}

function paintDifference(
  lens: Lens,
  edited: LensSide,
  colour: Spec['colour'],
  theme: Theme,
): Painted {
  const { baseline, klBetween } = lens;
  const of = lens.meta.target ? lens.meta.target.label : 'the final top token';
  if (colour === 'kl' && klBetween) {
    const most = largest(klBetween);
    const colours = fillWith(lens, table('sequential', theme), (at) => (klBetween[at] ?? 0) / most);
    return {
      colours,
      scale: sequential('KL(baseline ‖ edited)', ['0', short(most / 2), short(most)], 'nats'),
    };
  }
  const change: (at: number) => number =
    colour === 'rank'
      ? (at) => Math.log2((1 + (baseline.rank[at] ?? 0)) / (1 + (edited.rank[at] ?? 0)))
      : colour === 'entropy'
        ? (at) => (edited.entropy[at] ?? 0) - (baseline.entropy[at] ?? 0)
        : (at) => (edited.probability[at] ?? 0) - (baseline.probability[at] ?? 0);
  const values = Float32Array.from({ length: lens.rows * lens.columns }, (_, at) => change(at));
  const most = largest(values);
  const colours = fillWith(
    lens,
    table('diverging', theme),
    (at) => 0.5 + (values[at] ?? 0) / (2 * most),
  );
  const names = {
    probability: [`change of the probability of ${of}`, ''],
    rank: [`change of the rank of ${of}`, 'halvings; blue is better'],
    entropy: ['change of the entropy', 'nats'],
    kl: ['change', ''],
  } as const;
  return {
    colours,
    scale: {
      kind: 'diverging',
      name: names[colour][0],
      ticks: [`−${short(most)}`, '0', `+${short(most)}`],
      note: names[colour][1],
    },
  };
}

function fillWith(lens: Lens, lut: Uint32Array, share: (at: number) => number): Uint32Array {
  const colours = new Uint32Array(lens.rows * lens.columns);
  for (let at = 0; at < colours.length; at++) colours[at] = look(lut, share(at));
  return colours;
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

function falling(most: number): string[] {
  return [short(most), short(most / 2), '0'];
}

function short(value: number): string {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}

// ------------------------------------------------------------------ words and tables

/** "layer 7, token ␣Paris, top prediction ␣France 0.83": what a screen reader hears. */
export function cellSentence(lens: Lens, side: LensSide, row: number, column: number): string {
  const name = lens.meta.rows[row] ?? '';
  const here = cell(lens, side, row, column);
  const best = here.top[0];
  const place =
    name === 'embed'
      ? 'embedding'
      : rowLabel(name).replace('L', 'layer ').replace(' attn', ' after attention');
  return `${place}, token ${lens.meta.tokens[column]?.label ?? ''} at position ${column}, top prediction ${best?.token.label ?? ''} ${(best?.probability ?? 0).toFixed(3)}`;
}

/** One line per cell and side, all numbers in full. */
export function lensTable(lens: Lens): Array<Array<string | number>> {
  const lines: Array<Array<string | number>> = [
    [
      'side',
      'row',
      'position',
      'token',
      'top',
      'top_probability',
      'target',
      'probability',
      'rank',
      'kl_to_final_nats',
      'entropy_nats',
    ],
  ];
  for (const side of ['baseline', 'edited'] as const) {
    const values = lens[side];
    if (!values) continue;
    for (let row = 0; row < lens.rows; row++) {
      for (let column = 0; column < lens.columns; column++) {
        const here = cell(lens, values, row, column);
        const best = here.top[0];
        lines.push([
          side,
          lens.meta.rows[row] ?? '',
          column,
          lens.meta.tokens[column]?.text ?? '',
          best?.token.text ?? '',
          best?.probability ?? 0,
          here.target.text,
          here.probability,
          here.rank,
          here.kl,
          here.entropy,
        ]);
      }
    }
  }
  return lines;
}
