/** The Python that reproduces the page of a component. */
import { projectionPython } from '../../shared/text/explore';
import { quote } from '../../shared/text/python';
import type { Page } from '../../shared/view';

/** The index of the model and what it says of one neuron. */
export function componentPython({ model, spec }: Page): string {
  const node = spec.node ?? '';
  return `${[
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    `index = ue.open_index(model${projectionPython(spec.explore)})`,
    `print(index.vector(${quote(node)}))`,
    `print(index.similar(${quote(node)}, limit=10))`,
  ].join('\n')}\n`;
}
