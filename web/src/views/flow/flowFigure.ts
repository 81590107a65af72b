/** The flow graph as a picture to keep: SVG, or the same as PNG. */
import type { FlowDrawing } from '../../draw/flow/scene';
import { flowSvg } from '../../draw/flow/svg';
import { savePng, saveSvg, tokenReader, type Figure } from '../../shared/parts/figure';

/** What is drawn, with what it is of in two lines. */
export interface FigureOf {
  drawing: FlowDrawing;
  heading: string;
  note: string;
}

function figure({ drawing, ...words }: FigureOf): Figure {
  return flowSvg({ ...drawing, ...words, token: tokenReader() });
}

export function saveFlowSvg(of: FigureOf): void {
  saveSvg('flow', figure(of));
}

export function saveFlowPng(of: FigureOf): Promise<void> {
  return savePng('flow', figure(of));
}
