/** The Python that reproduces the lens. */
import { indices, on, opening } from '../../shared/text/python';
import { scoring, type Spec } from '../../shared/text/url';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { QUESTIONS } from '../../questions.gen';
import { lensOptions } from './lensState';

/** What the server is asked for a lens, as arguments: defaults are left out. */
export function lensPython({ model, spec }: Page): string {
  const figure = [
    ...(spec.lens.kind === 'probability' ? [] : [`kind=${quote(spec.lens.kind)}`]),
    ...(spec.flipped ? ['top_down=True'] : []),
  ].join(', ');
  const lines = [
    ...opening(model.name, spec),
    `lens = ue.logit_lens(${['model', 'prompt', ...asked(spec)].join(', ')})`,
    'print(lens.to_pandas())',
    `# lens.plot(${figure})  # the picture`,
    `# lens.to_html(${figure ? `${figure}, ` : ''}path="lens.html")  # a page of its own`,
  ];
  return `${lines.join('\n')}\n`;
}

function asked(spec: Spec): string[] {
  const scored = scoring(spec);
  return [
    ...(spec.positions ? [`positions=${indices(spec.positions)}`] : []),
    ...optionsPython(lensOptions(spec.lens)),
    ...(scored.target === null ? [] : [`target=${quote(scored.target)}`]),
    ...(scored.follow === QUESTIONS.lens.follow.default ? [] : [`follow=${quote(scored.follow)}`]),
    ...(spec.lens.clipped ? ['kl_floor=1 / (10 * model.vocab_size)'] : []),
    ...(spec.edits.some(on) ? ['edits=edits'] : []),
  ];
}
