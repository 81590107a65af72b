/** The Python that reproduces the patching grid. */
import { promptPython } from '../../shared/text/chat';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { patchingBody } from './patchingState';

export function patchingPython({ model, spec, position }: Page): string {
  const { target, distractor, patching } = spec;
  const options = {
    ...(distractor === '' ? {} : { distractor }),
    position,
    ...patchingBody(patching),
  };
  const given = [...(target === '' ? [] : [quote(target)]), ...optionsPython(options)].join(', ');
  const lines = [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    `clean = ${promptPython(spec)}`,
    `corrupted = ${promptPython({ ...spec, prompt: patching.corrupted })}`,
    `grid = ue.patch_grid(model, clean, corrupted, ${given})`,
    'print(grid.clean, grid.corrupted)',
    'print(grid.to_pandas())',
  ];
  return `${lines.join('\n')}\n`;
}
