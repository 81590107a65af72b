/** How strong a value looks: its share of the largest, its colour, the width of its curve. */
import { figures } from '../format';
import type { Scale } from '../legendBar';
import { look, table, type ColourMaps, type Theme } from '../lut';
import type { Pattern } from './pattern';

/** One pair often holds most of a row: on a square root the others are told apart, too. */
export function strength(value: number, most: number): number {
  return Math.sqrt(Math.min(1, Math.abs(value) / most));
}

/** The share of a value along its colour map. */
export function shareOf(value: number, most: number, signed: boolean): number {
  const strong = strength(value, most);
  return signed ? 0.5 + (Math.sign(value) * strong) / 2 : strong;
}

/** Packed RGBA; what is exactly 0 has no colour: the future of a causal model, a hidden token. */
export function colourOf(value: number, most: number, signed: boolean, lut: Uint32Array): number {
  return value === 0 || Number.isNaN(value) ? 0 : look(lut, shareOf(value, most, signed));
}

export function lutOf(signed: boolean, theme: Theme, maps?: ColourMaps): Uint32Array {
  return table(signed ? 'diverging' : 'sequential', theme, maps);
}

/** Thickness of a curve, px, where tokens are so far apart. */
export function thickness(value: number, most: number, rowHeight: number): number {
  const widest = Math.max(1, Math.min(7, rowHeight * 0.45));
  return Math.max(0.4, widest * Math.min(1, Math.abs(value) / most) ** 0.75);
}

export function opacity(value: number, most: number): number {
  return 0.12 + 0.78 * Math.min(1, Math.abs(value) / most) ** 0.75;
}

export function scaleOf(pattern: Pattern): Scale {
  const { most, signed } = pattern;
  const end = figures(most);
  return {
    kind: signed ? 'diverging' : 'sequential',
    name: nameOf(pattern),
    ticks: signed ? [`−${end}`, '0', `+${end}`] : ['0', figures(most / 4), end],
    note: 'colours on a square-root scale; what is exactly 0 has none',
  };
}

/** "share of attention, mean of 12 heads", "norm of what is moved, L5.H2". */
export function nameOf({ attention, mode, head }: Pattern): string {
  const { names } = attention;
  const { unit, heads, combine, weights } = attention.meta;
  const weighed = weights.some((weight) => weight !== 1) ? 'weighted ' : '';
  const all = heads.length === 1 ? heads[0] : `${weighed}${combine} of ${heads.length} heads`;
  const change = mode === 'difference' ? `, ${names.edited} minus ${names.baseline}` : '';
  return `${unit}, ${head ?? all}${change}`;
}
