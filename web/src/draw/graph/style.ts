/** How nodes and edges look: a shape for each kind, brightness for influence, a hue for a sign. */
import { css, look, table, type ColourMaps, type Theme } from '../lut';
import type { Ink } from '../svgText';
import { styleOf as plainStyle, type CircuitStyle } from '../circuit/style';
import type { Edge, GraphData, Node } from './data';

export interface GraphStyle extends CircuitStyle {
  sans: string;
  /** Of a node, by its share of the largest influence. */
  influence: (share: number) => string;
}

export function styleOf(token: Ink, theme: Theme, maps?: ColourMaps): GraphStyle {
  const colours = table('sequential', theme, maps);
  return {
    ...plainStyle(token),
    sans: token('--sans'),
    influence: (share) => css(look(colours, share)),
  };
}

export type Shape = 'circle' | 'diamond' | 'square' | 'box';

const SHAPES: Readonly<Record<Node['kind'], Shape>> = {
  latent: 'circle',
  error: 'diamond',
  mlp: 'diamond',
  embed: 'square',
  logit: 'box',
  group: 'box',
};

export function shapeOf({ kind }: Node): Shape {
  return SHAPES[kind];
}

/** What no latent explains is hollow. */
export function isHollow({ kind }: Node): boolean {
  return kind === 'error' || kind === 'mlp';
}

const WIDTH = { least: 0.5, most: 5 };
const ALPHA = { least: 0.03, few: 0.4, most: 0.9 };
/** Edges of about one size are drawn in one go. */
export const SIZES = 8;

/** From 0 to 1: the root, so that small ones are seen. */
export function sizeOf(data: GraphData, { weight }: Edge): number {
  return Math.min(1, Math.sqrt(Math.abs(weight) / data.largest));
}

export function widthOf(size: number): number {
  return between(WIDTH, size);
}

/** The more there are, the fainter the small ones: thousands leave in sight what lies below. */
export function alphaOf(size: number, edges: number): number {
  const least = Math.max(ALPHA.least, Math.min(ALPHA.few, 4 / Math.sqrt(Math.max(1, edges))));
  return between({ least, most: ALPHA.most }, size);
}

export function colourOf({ weight }: Edge, style: CircuitStyle): string {
  return weight < 0 ? style.negative : style.positive;
}

function between({ least, most }: { least: number; most: number }, share: number): number {
  return least + (most - least) * share;
}
