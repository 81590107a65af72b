/** The circuit as a picture to keep: SVG, or the same as PNG. */
import type { CircuitData } from '../../draw/circuit/data';
import { circuitSvg } from '../../draw/circuit/svg';
import { count, part } from '../../draw/format';
import { savePng, saveSvg, tokenReader } from '../../shared/parts/figure';
import { saidOf } from '../../shared/text/chat';
import type { Spec } from '../../shared/text/url';
import type { CircuitAnswer } from './query';

export function circuitFigure(
  data: CircuitData,
  answer: CircuitAnswer,
  spec: Spec,
  model: { name: string },
) {
  const kept = answer.faithfulness == null ? '' : `, faithfulness ${part(answer.faithfulness)}`;
  const picture = circuitSvg({
    data,
    heading: saidOf(spec),
    note: `${model.name} · ${answer.objective} · ${count(data.edges.length, 'edge')} of ${answer.n_edges.toLocaleString('en')}${kept}`,
    token: tokenReader(),
  });
  return { svg: () => saveSvg('circuit', picture), png: () => void savePng('circuit', picture) };
}
