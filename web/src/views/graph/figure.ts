/** The graph as a picture to keep: SVG, or the same as PNG. */
import { part } from '../../draw/format';
import type { GraphData } from '../../draw/graph/data';
import { graphSvg } from '../../draw/graph/svg';
import { shownWords } from '../../draw/graph/text';
import type { Theme } from '../../draw/lut';
import { savePng, saveSvg, tokenReader } from '../../shared/parts/figure';
import type { GraphAnswer } from './query';

interface Of {
  heading: string;
  model: string;
  theme: Theme;
  flipped: boolean;
  /** Its scores are known. */
  own: boolean;
}

export function graphFigure(shown: GraphData, whole: GraphData, answer: GraphAnswer, of: Of) {
  const scores = of.own
    ? ` · replacement ${part(answer.replacement)}, completeness ${part(answer.completeness)}`
    : '';
  const picture = graphSvg({
    data: shown,
    heading: of.heading,
    note: `${of.model} · ${answer.objective} · ${shownWords(shown, whole)}${scores}`,
    token: tokenReader(),
    theme: of.theme,
    flipped: of.flipped,
  });
  return { svg: () => saveSvg('graph', picture), png: () => void savePng('graph', picture) };
}
