/** The colours of the flow graph: one table for the canvas, its legend, saved pictures and the Python figures. */
import palettes from '../../../../src/unembed/figures/flow_palettes.json';
import { isZero, type FlowLink, type FlowNode } from './data';
import { css, ENTRIES, look, makeTable, type Theme } from '../lut';

export type ColourBy = 'rank' | 'entropy' | 'attention';

export interface Palette {
  rank: string[];
  /** Linear: of rank / vocabulary; log: the first stop is rank 1, the last one the worst rank. */
  rank_scale: string;
  attention: string[];
  entropy: string[];
  /** Bits at the last stop; null: those of an even guess. */
  entropy_bits: number | null;
  positive: string;
  negative: string;
  norm: string;
  bias: string;
  residual_attn: string;
  residual_mlp: string;
  plain: string;
}

const ALL: Readonly<Record<string, Record<Theme, Palette>>> = palettes;
export const DEFAULT_PALETTE = 'unembed';
/** By name, or one for each theme. */
export type PaletteChoice = string | Readonly<Record<Theme, Palette>>;
export const PALETTES: readonly string[] = Object.keys(ALL);
const BITS = Math.log(2);

/** Of ribbons, which lie over each other. */
const LINK_ALPHA = 0.8;

export interface Paint {
  colour: string;
  alpha: number;
}

/** Numbers to packed colours, in one palette and theme. */
export interface FlowColours {
  rank: (rank: number) => number;
  entropy: (nats: number) => number;
  attention: (score: number) => number;
  /** Of a box; null where it has no such number. */
  node: (node: FlowNode, by: ColourBy) => number | null;
  link: (link: FlowLink) => Paint;
  plain: string;
  palette: Palette;
}

export function flowColours(choice: PaletteChoice, theme: Theme, vocabulary: number): FlowColours {
  const named = typeof choice === 'string' ? (ALL[choice] ?? ALL[DEFAULT_PALETTE]) : choice;
  const palette = named?.[theme];
  if (!palette) throw new Error('the table of palettes has no default');
  const tables = {
    rank: tableOf(palette.rank),
    entropy: tableOf(palette.entropy),
    attention: tableOf(palette.attention),
  };
  const most = palette.entropy_bits === null ? Math.log(vocabulary) : palette.entropy_bits * BITS;
  const rank = (value: number) =>
    palette.rank_scale === 'log'
      ? look(tables.rank, Math.log(value) / Math.log(Math.max(2, vocabulary)))
      : entry(tables.rank, Math.floor((ENTRIES * value) / vocabulary));
  const entropy = (nats: number) => look(tables.entropy, nats / most);
  const attention = (score: number) => look(tables.attention, score);
  const node = (one: FlowNode, by: ColourBy) => nodeColour(one, by, { rank, entropy, attention });
  const link = (one: FlowLink) => linkPaint(one, palette, { entropy, attention });
  return { rank, entropy, attention, node, link, plain: palette.plain, palette };
}

/** A map of one stop is that colour everywhere. */
function tableOf(stops: readonly string[]): Uint32Array {
  const anchors = stops.map((stop) => stop.replace('#', ''));
  return makeTable(anchors.length === 1 ? [...anchors, ...anchors] : anchors);
}

function entry(table: Uint32Array, at: number): number {
  return table[Math.max(0, Math.min(ENTRIES - 1, at))] ?? 0;
}

type Maps = Pick<FlowColours, 'rank' | 'entropy' | 'attention'>;

function nodeColour(node: FlowNode, by: ColourBy, maps: Maps): number | null {
  const own = isZero(node) ? undefined : node.readings[0];
  if (by === 'attention') return isNumber(node.attention) ? maps.attention(node.attention) : null;
  if (by === 'entropy') return own && isNumber(own.entropy) ? maps.entropy(own.entropy) : null;
  return own?.target ? maps.rank(own.target.rank) : null;
}

function linkPaint(link: FlowLink, palette: Palette, maps: Omit<Maps, 'rank'>): Paint {
  const value = link.colour_value;
  switch (link.colour) {
    case 'entropy':
      return isNumber(value) ? solid(css(maps.entropy(value))) : solid(palette.plain);
    case 'attention':
      return isNumber(value) ? solid(css(maps.attention(value))) : solid(palette.plain);
    case 'sign':
      return solid((value ?? 0) < 0 ? palette.negative : palette.positive);
    case 'norm':
    case 'bias':
      return solid(palette[link.colour]);
    case 'residual_attn':
    case 'residual_mlp':
      return { colour: palette[link.colour], alpha: 1 };
    case 'hidden':
      return { colour: palette.plain, alpha: 0 };
  }
}

function solid(colour: string): Paint {
  return { colour, alpha: LINK_ALPHA };
}

function isNumber(value: number | null | undefined): value is number {
  return value !== null && value !== undefined;
}
