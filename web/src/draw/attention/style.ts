/** Colours and fonts of the drawing, as the surrounding style sheets have them. */
import type { Theme } from '../lut';

export interface Inks {
  ground: string;
  sunken: string;
  line: string;
  text: string;
  text2: string;
  accent: string;
  accentGround: string;
  baseline: string;
  edited: string;
  positive: string;
  negative: string;
  sink: string;
  sans: string;
  mono: string;
}

/** By the name of a token of tokens.css: "--ground". */
export function inksOf(token: (name: string) => string): Inks {
  return {
    ground: token('--ground'),
    sunken: token('--sunken'),
    line: token('--line-mid'),
    text: token('--text'),
    text2: token('--text-2'),
    accent: token('--accent'),
    accentGround: token('--accent-ground'),
    baseline: token('--baseline'),
    edited: token('--edited'),
    positive: token('--positive'),
    negative: token('--negative'),
    sink: token('--line-strong'),
    sans: token('--sans'),
    mono: token('--mono'),
  };
}

/** Read once for each theme: what is drawn with them compares by identity. */
export class InkReader {
  private read: { theme: Theme; inks: Inks } | null = null;

  of(element: Element, theme: Theme): Inks {
    if (this.read?.theme !== theme) {
      const style = getComputedStyle(element);
      this.read = { theme, inks: inksOf((name) => style.getPropertyValue(name).trim()) };
    }
    return this.read.inks;
  }
}
