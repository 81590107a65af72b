/** The Python that reproduces the Predictions view. */
import { on, opening, quote } from '../../shared/text/python';
import type { Generation, Spec } from '../../shared/text/url';
import { lacks, type Page } from '../../shared/view';

/** The whole page: both runs, what layers read and added, the continuation. */
export function predictionsPython({ model, spec, position }: Page): string {
  const lens = lacks(model, 'lens') === null;
  const edited = spec.edits.some(on);
  const chosen = edited ? ', edits=chosen' : '';
  const perRun = [
    `print(*run.top(k=${spec.k}, position=${position}), sep="\\n")`,
    ...(spec.distractor
      ? [`print(run.distribution(${position})[model.token_id(${quote(spec.distractor)})])`]
      : []),
    `parts = ue.sub_updates(run, position=${position}, k=${spec.predictions.parts})`,
    'print(parts.to_pandas())',
  ];
  const perEdits = [
    ...(lens ? [`lens = ${lensCall(spec, position, chosen)}`, 'print(lens.to_pandas())'] : []),
    ...(spec.generation ? [generationPython(spec.generation, chosen)] : []),
  ];
  const lines = [
    ...opening(model.name, spec, edited ? 'baseline' : 'run'),
    ...(edited ? ['edited = model.run(prompt, edits=edits, capture=capture)'] : []),
    ...loop(edited ? 'for run in (baseline, edited):' : null, perRun),
    ...loop(edited ? 'for chosen in ([], edits):' : null, perEdits),
  ];
  return `${lines.join('\n')}\n`;
}

function lensCall(spec: Spec, position: number, chosen: string): string {
  const target = spec.target ? `, target=${quote(spec.target)}` : '';
  return `ue.logit_lens(model, prompt, positions=[${position}], subblocks=True${target}${chosen})`;
}

function generationPython({ tokens, temperature, seed }: Generation, chosen: string): string {
  const sampled = temperature > 0 ? `, temperature=${temperature}, seed=${seed}` : '';
  return `print(model.generate(prompt, ${tokens}${chosen}${sampled}).text)`;
}

/** The lines under a head, or, where there is only one side, as they are. */
function loop(head: string | null, lines: string[]): string[] {
  if (head === null) return lines;
  return lines.length > 0 ? [head, ...lines.map((line) => `    ${line}`)] : [];
}
