/** The effects at each token as a picture to keep: SVG, or the same as PNG. */
import { figures } from '../../draw/format';
import { gridSvg } from '../../draw/gridSvg';
import { savePng, saveSvg, tokenReader } from '../../shared/parts/figure';
import { useTheme } from '../../shared/state/theme';
import { saidOf } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import { effectsOf } from './EffectStrip';
import type { Comparison } from './query';
import { sideOf, type Shown } from './rows';

export function effectsPicture(answer: Comparison, shown: Shown, spec: Spec, model: string) {
  const side = sideOf(answer, shown);
  const { names, cells } = effectsOf(answer, shown, useTheme.getState().theme);
  const of = shown === 'difference' ? ', change' : '';
  const picture = gridSvg({
    heading: saidOf(spec),
    note: `${model} · ${side.objective} = ${figures(side.value)}, estimated total effects${of}`,
    rowNames: names,
    columnNames: side.tokens.map(({ label }) => label),
    cells,
    token: tokenReader(),
  });
  return {
    svg: () => saveSvg('attribution', picture),
    png: () => void savePng('attribution', picture),
  };
}
