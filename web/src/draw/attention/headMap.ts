/** Tokens × heads as one small bitmap, blown up beside a column: what each head sends or receives. */
import { make } from '../dom';
import { headsAt, largest, type Pattern } from './pattern';
import { colourOf } from './scale';
import type { Focus } from './shown';

/** Numbers of a map, and what they are of. */
export interface MapData {
  /** Heads × places: rows of the arrays for queries, positions for keys. */
  values: Float32Array;
  places: number;
  most: number;
  /** All are the same: there is nothing for colours to tell. */
  flat: boolean;
}

const SAME = 1e-3;

/** The means; with a token chosen in the other column, that token's own row. */
export function mapData(pattern: Pattern, side: Focus['side'], chosen: Focus | null): MapData {
  const places = side === 'query' ? pattern.rows : pattern.keys;
  const own = chosen && chosen.side !== side ? rowOfChosen(pattern, chosen) : null;
  if (own) return { values: own, places, most: largest(own), flat: false };
  const name = side === 'query' ? 'sent' : 'received';
  const values = pattern.maps[name];
  const { baseline, edited } = pattern.attention;
  const whole = Math.max(largest(baseline[name]), edited ? largest(edited[name]) : 0);
  const most = pattern.mode === 'difference' ? largest(values) : whole;
  return { values, places, most, flat: isFlat(values, whole) };
}

/**
 * Rows of attention sum to 1, whatever the head: their means tell nothing apart, and their difference is
 * what rounding leaves.
 */
function isFlat(values: Float32Array, whole: number): boolean {
  const first = values[0] ?? 0;
  return values.every((value) => Math.abs(value - first) <= SAME * whole);
}

function rowOfChosen(pattern: Pattern, { side, position }: Focus): Float32Array | null {
  const at = side === 'query' ? (pattern.rowOf[position] ?? -1) : position;
  return at < (side === 'query' ? pattern.rows : pattern.keys) ? headsAt(pattern, side, at) : null;
}

/** "H3" where all are of one layer, else "L5.H3". */
export function headLabels(heads: readonly string[]): string[] {
  const layers = new Set(heads.map((name) => name.split('.')[0]));
  return heads.map((name) => (layers.size === 1 ? (name.split('.')[1] ?? name) : name));
}

export class HeadMap {
  data: MapData | null = null;
  private readonly bitmap = make('canvas');
  private shown = '';
  private pattern: Pattern | null = null;
  private lut: Uint32Array | null = null;

  constructor(readonly side: Focus['side']) {}

  set(pattern: Pattern, lut: Uint32Array, chosen: Focus | null): void {
    const opposite = chosen && chosen.side !== this.side ? chosen.position : null;
    const key = String(opposite);
    if (this.pattern === pattern && this.lut === lut && this.shown === key) return;
    Object.assign(this, { pattern, lut, shown: key });
    this.data = mapData(pattern, this.side, chosen);
    this.fill(pattern, this.data, lut);
  }

  /** Into a rectangle of which the height is that of all tokens. */
  draw(
    context: CanvasRenderingContext2D,
    x: number,
    y: number,
    width: number,
    rowHeight: number,
    empty: string,
  ): void {
    if (this.data?.flat) {
      context.fillStyle = empty;
      context.fillRect(x, y, width, this.bitmap.height * rowHeight);
      return;
    }
    context.imageSmoothingEnabled = false;
    context.drawImage(this.bitmap, x, y, width, this.bitmap.height * rowHeight);
    context.imageSmoothingEnabled = true;
  }

  private fill(pattern: Pattern, { values, places, most }: MapData, lut: Uint32Array): void {
    const { attention, maps, signed } = pattern;
    const heads = maps.heads.length;
    this.bitmap.width = heads;
    this.bitmap.height = attention.length;
    const image = new ImageData(heads, attention.length);
    const words = new Uint32Array(image.data.buffer);
    for (let place = 0; place < places; place++) {
      const position = this.side === 'query' ? (pattern.queries[place] ?? 0) : place;
      for (let head = 0; head < heads; head++)
        words[position * heads + head] = colourOf(
          values[head * places + place] ?? 0,
          most,
          signed,
          lut,
        );
    }
    this.bitmap.getContext('2d')?.putImageData(image, 0, 0);
  }
}
