/** Colour maps as tables of 256 packed RGBA words, ready for ImageData. */
import { diverging, maps as shared } from '../../../src/unembed/figures/colours.json';

export type Rgb = readonly [number, number, number];
export const ENTRIES = 256;

/** Bytes in memory order R, G, B, A on the little-endian machines that browsers run on. */
function pack([red, green, blue]: Rgb): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

export function unpack(word: number): Rgb {
  return [word & 255, (word >>> 8) & 255, (word >>> 16) & 255];
}

/** "#a84a06", with or without its sign. */
function parse(hex: string): Rgb {
  const value = Number.parseInt(hex.replace('#', ''), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** A table through evenly spaced anchors. */
export function makeTable(anchors: readonly string[]): Uint32Array {
  const colours = anchors.map(parse);
  const colourTable = new Uint32Array(ENTRIES);
  for (let entry = 0; entry < ENTRIES; entry++) {
    const at = (entry / (ENTRIES - 1)) * (colours.length - 1);
    const left = Math.min(Math.floor(at), colours.length - 2);
    const low = colours[left] ?? [0, 0, 0];
    const high = colours[left + 1] ?? [0, 0, 0];
    const mix = (channel: 0 | 1 | 2) =>
      Math.round(low[channel] + (high[channel] - low[channel]) * (at - left));
    colourTable[entry] = pack([mix(0), mix(1), mix(2)]);
  }
  return colourTable;
}

export type Theme = 'light' | 'dark';

/** Evenly spaced anchors in place of the shared ones. */
export interface ColourMaps {
  sequential: readonly string[];
  diverging: readonly string[];
}

/** Cividis (Nuñez, Anderton, Renslow 2018): even in lightness, safe for colour blindness. */
const SEQUENTIAL = makeTable(shared.cividis);
const DIVERGING = {
  light: makeTable(diverging.light),
  dark: makeTable(diverging.dark),
};

/** Magnitudes: dark is low. Signs: orange below zero, blue above, the ground at zero. */
export function table(
  kind: 'sequential' | 'diverging',
  theme: Theme,
  maps?: ColourMaps,
): Uint32Array {
  if (maps) return makeTable(maps[kind]);
  return kind === 'sequential' ? SEQUENTIAL : DIVERGING[theme];
}

/** The colour of a number in [0, 1]; NaN is the lowest. */
export function look(colours: Uint32Array, share: number): number {
  const entry = Math.max(0, Math.min(ENTRIES - 1, Math.round(share * (ENTRIES - 1))));
  return colours[Number.isNaN(entry) ? 0 : entry] ?? 0;
}

export function css(word: number): string {
  return `rgb(${unpack(word).join(' ')})`;
}

/** Relative luminance (WCAG 2): decides between dark and light text. */
export function luminance(word: number): number {
  const [red, green, blue] = unpack(word).map((byte) => {
    const channel = byte / 255;
    return channel <= 0.03928 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** True where black text has the better contrast. */
export function wantsDarkText(word: number): boolean {
  return luminance(word) > 0.179;
}
