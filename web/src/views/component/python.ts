/** The Python that reproduces the page of a component. */
import { isAsked } from '../../shared/text/chat';
import { parseTarget } from '../../shared/text/address';
import { projectionPython } from '../../shared/text/exploreQuestions';
import { furtherPython } from '../../shared/text/further';
import { quote } from '../../shared/text/options';
import { on, opening } from '../../shared/text/python';
import type { Page } from '../../shared/view';
import { READERS } from './query';

/** What the node does on the prompt, if one runs; of a neuron also what its index says of it. */
export function componentPython(page: Page): string {
  const { model, spec } = page;
  const node = quote(spec.node ?? '');
  const neuron = parseTarget(spec.node ?? '')?.kind === 'neuron';
  const lines = [
    ...(!isAsked(spec)
      ? ['import unembed as ue', '', `model = ue.load(${quote(model.name)})`]
      : runPython(page, node)),
    ...(neuron
      ? [
          `index = ue.open_index(model${projectionPython(spec.explore)})`,
          `print(index.vector(${node}))`,
          `print(index.similar(${node}, limit=10))`,
        ]
      : []),
    ...textPython(spec.component.text, node),
  ];
  return `${lines.join('\n')}\n`;
}

/** How active it is in another text. */
function textPython(other: string, node: string): string[] {
  if (other === '') return [];
  return [
    `run = model.run(${quote(other)}, capture=ue.component_capture(model, ${node}))`,
    `print(ue.component(run, ${node}).activation)`,
  ];
}

function runPython({ model, spec, position }: Page, node: string): string[] {
  const edits = spec.mode !== 'baseline' && spec.edits.some(on) ? ', edits=edits' : '';
  const further = furtherPython(spec, 'component')
    .map((one) => `, ${one}`)
    .join('');
  return [
    ...opening(model.name, spec),
    `needed = ue.component_capture(model, ${node}, ${position})`,
    `run = model.run(prompt, capture=needed${edits})`,
    `found = ue.component(run, ${node}, position=${position}, downstream=${READERS}${further})`,
    'print(found.to_pandas(), *found.downstream, sep="\\n")',
  ];
}
