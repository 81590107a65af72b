/** What the parts of a saved picture share. */
import { FitText } from '../fitText';
import type { Pattern } from './pattern';
import type { AttentionShown } from './shown';
import type { Inks } from './style';

/** One pattern on its way into the file. */
export interface Sheet {
  pattern: Pattern;
  shown: AttentionShown;
  inks: Inks;
  lut: Uint32Array;
}

export interface Part {
  svg: string;
  width: number;
  height: number;
}

export const FONT = 11;
/** px a character: monospaced fonts differ little. */
const NARROW = 6.7;
const WIDE = 12;

export const fitter = new FitText(
  (text) =>
    [...text].reduce(
      (sum, character) => sum + ((character.codePointAt(0) ?? 0) > 0x2e7f ? WIDE : NARROW),
      0,
    ),
  `${FONT}px`,
);
