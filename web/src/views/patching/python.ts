/** The Python that reproduces the patching grid. */
import { promptPython } from '../../shared/text/chat';
import { furtherPython } from '../../shared/text/further';
import { optionsPython, quote } from '../../shared/text/options';
import { pairsPython } from '../../shared/text/pairs';
import type { Page } from '../../shared/view';
import { patchingBody } from './patchingState';

export function patchingPython(page: Page): string {
  const lines = page.spec.patching.set === 'one' ? onePair(page) : manyPairs(page);
  return `${['import unembed as ue', '', ...lines].join('\n')}\n`;
}

function onePair({ model, spec, position }: Page): string[] {
  const { target, distractor, patching } = spec;
  const options = {
    ...(distractor === '' ? {} : { distractor }),
    ...(model.labels_of === 'text' ? {} : { position }),
    ...patchingBody(patching),
  };
  const given = [...(target === '' ? [] : [quote(target)]), ...optionsPython(options)].join(', ');
  return [
    `model = ue.load(${quote(model.name)})`,
    `clean = ${promptPython(spec)}`,
    `corrupted = ${promptPython({ ...spec, prompt: patching.corrupted })}`,
    `grid = ue.patch_grid(model, clean, corrupted, ${given})`,
    'print(grid.clean, grid.corrupted)',
    'print(grid.to_pandas())',
  ];
}

function manyPairs({ model, spec }: Page): string[] {
  const { set, own } = spec.patching;
  const { site, into } = patchingBody(spec.patching);
  const options = { ...(site ? { site } : {}), ...(into ? { into } : {}) };
  const given = [...optionsPython(options), ...furtherPython(spec, 'patch_pairs')];
  return [
    `model = ue.load(${quote(model.name)})`,
    ...pairsPython(set, own),
    `study = ue.patch_pairs(${['model', 'pairs', ...given].join(', ')})`,
    'print(study.n_pairs, study.left_out)',
    'print(study.to_pandas())',
  ];
}
