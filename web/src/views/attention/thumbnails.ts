/** The pattern of every head in small: read, and coloured. Knows no canvas and no React. */
import type { Safetensors } from '../../draw/safetensors';
import { look, table, type Theme } from '../../draw/lut';
import type { Spec } from '../../shared/text/url';

export interface Thumbnails {
  /** "L0.H0" ..., layer by layer. */
  heads: readonly string[];
  rows: number;
  columns: number;
  /** heads × rows × columns, of each head's largest attention. */
  cells: Uint8Array;
  /** That attention. */
  scale: Float32Array;
}

/** Of a cell: the head's largest attention. */
const MOST = 255;

export interface ThumbnailSides {
  baseline: Thumbnails;
  edited: Thumbnails | null;
}

interface Described {
  heads: string[];
  query_starts: number[];
  key_starts: number[];
}

/** Reads the answer of POST /api/thumbnails. */
export function readThumbnails(file: Safetensors): ThumbnailSides {
  const said = JSON.parse(file.metadata['thumbnails'] ?? 'null') as {
    baseline: Described;
    edited: Described | null;
  } | null;
  if (!said) throw new Error('The thumbnails have no description of themselves.');
  return {
    baseline: sideOf(file, 'baseline', said.baseline),
    edited: said.edited ? sideOf(file, 'edited', said.edited) : null,
  };
}

function sideOf(file: Safetensors, side: string, said: Described): Thumbnails {
  const [cells, scale] = [file.tensors[`${side}.cells`]?.data, file.tensors[`${side}.scale`]?.data];
  if (!(cells instanceof Uint8Array) || !(scale instanceof Float32Array))
    throw new Error(`The thumbnails have no ${side}.`);
  return {
    heads: said.heads,
    rows: said.query_starts.length,
    columns: said.key_starts.length,
    cells,
    scale,
  };
}

/** Colours of one head, packed, row by row; null: it has no thumbnail. */
export function thumbnail(
  { baseline, edited }: ThumbnailSides,
  name: string,
  mode: Spec['mode'],
  theme: Theme,
): Uint32Array<ArrayBuffer> | null {
  const at = baseline.heads.indexOf(name);
  if (at < 0) return null;
  if (!edited || mode === 'baseline') return plain(baseline, at, theme);
  return mode === 'edited' ? plain(edited, at, theme) : difference(baseline, edited, at, theme);
}

/** Shares of the head's own largest attention, on a square root as in the picture. */
function plain(of: Thumbnails, at: number, theme: Theme): Uint32Array<ArrayBuffer> {
  const colours = table('sequential', theme);
  return Uint32Array.from(cellsOf(of, at), (cell) => look(colours, Math.sqrt(cell / MOST)));
}

/** Edited less baseline, of the larger of both scales. */
function difference(
  baseline: Thumbnails,
  edited: Thumbnails,
  at: number,
  theme: Theme,
): Uint32Array<ArrayBuffer> {
  const colours = table('diverging', theme);
  const [before, after] = [baseline.scale[at] ?? 0, edited.scale[at] ?? 0];
  const most = Math.max(before, after, 1e-9);
  const was = cellsOf(baseline, at);
  return Uint32Array.from(cellsOf(edited, at), (cell, place) => {
    const change = (cell * after - (was[place] ?? 0) * before) / MOST / most;
    const strong = Math.sqrt(Math.abs(change));
    return change === 0 ? 0 : look(colours, (1 + Math.sign(change) * strong) / 2);
  });
}

function cellsOf({ cells, rows, columns }: Thumbnails, at: number): Uint8Array {
  return cells.subarray(at * rows * columns, (at + 1) * rows * columns);
}
