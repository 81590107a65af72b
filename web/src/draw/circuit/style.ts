/** How edges and boxes look: by the sign and the size of an effect. */
import type { CircuitData, Edge } from './data';
import type { Ink } from '../svgText';

export interface CircuitStyle {
  ground: string;
  raised: string;
  line: string;
  lineStrong: string;
  text: string;
  text2: string;
  accent: string;
  positive: string;
  negative: string;
  mono: string;
  sans: string;
}

export function styleOf(token: Ink): CircuitStyle {
  return {
    ground: token('--ground'),
    raised: token('--raised'),
    line: token('--line'),
    lineStrong: token('--line-strong'),
    text: token('--text'),
    text2: token('--text-2'),
    accent: token('--accent'),
    positive: token('--positive'),
    negative: token('--negative'),
    mono: token('--mono'),
    sans: token('--sans'),
  };
}

const WIDTH = { least: 0.6, most: 6 };
const ALPHA = { least: 0.3, most: 0.9 };
export const DIMMED = 0.08;

export function colourOf(edge: Edge, style: CircuitStyle): string {
  return edge.effect < 0 ? style.negative : style.positive;
}

/** Both grow with the root, so that one edge that is far above all others leaves them theirs. */
export function widthOf(data: CircuitData, edge: Edge): number {
  return between(WIDTH, root(data, edge));
}

export function alphaOf(data: CircuitData, edge: Edge): number {
  return between(ALPHA, root(data, edge));
}

function root(data: CircuitData, edge: Edge): number {
  return Math.sqrt(Math.abs(edge.effect) / data.largest);
}

function between({ least, most }: { least: number; most: number }, share: number): number {
  return least + (most - least) * share;
}
