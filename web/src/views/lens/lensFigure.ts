/** The grid as a picture to keep: SVG, or the same as PNG. */
import { lensSvg, type FigureInput } from '../../draw/lens/svg';
import { savePng, saveSvg, tokenReader, type Figure } from '../../shared/parts/figure';

export type FigureOf = Omit<FigureInput, 'token'>;

function figure(of: FigureOf): Figure {
  return lensSvg({ ...of, token: tokenReader() });
}

export function saveLensSvg(of: FigureOf): void {
  saveSvg('lens', figure(of));
}

export function saveLensPng(of: FigureOf): Promise<void> {
  return savePng('lens', figure(of));
}
