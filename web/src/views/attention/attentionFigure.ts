/** The picture to keep: SVG, or the same as PNG. */
import { attentionSvg, type AttentionFigure } from '../../draw/attention/svg';
import { savePng, saveSvg, tokenReader, type Figure } from '../../shared/parts/figure';

export type FigureOf = Omit<AttentionFigure, 'token'>;

function figure(of: FigureOf): Figure {
  return attentionSvg({ ...of, token: tokenReader() });
}

export function saveAttentionSvg(of: FigureOf): void {
  saveSvg('attention', figure(of));
}

export function saveAttentionPng(of: FigureOf): Promise<void> {
  return savePng('attention', figure(of));
}
