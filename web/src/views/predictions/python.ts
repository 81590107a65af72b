/** The Python that reproduces the Predictions view. */
import { quote } from '../../shared/text/options';
import { on, opening } from '../../shared/text/python';
import { furtherPython } from '../../shared/text/further';
import type { Generation, Spec } from '../../shared/text/url';
import { has, type Page } from '../../shared/view';
import { QUESTIONS } from '../../questions.gen';

/** The whole page: both runs, what layers read and added, the continuation. */
export function predictionsPython(page: Page): string {
  const { model, spec, position } = page;
  if (has(model, 'labels')) return labelsPython(page);
  const edited = spec.edits.some(on);
  const chosen = edited ? ', edits=chosen' : '';
  const perRun = [
    `print(*run.top(k=${spec.k}, position=${position}), sep="\\n")`,
    `parts = ue.sub_updates(run, position=${position}, k=${spec.predictions.parts})`,
    'print(parts.to_pandas())',
  ];
  const perEdits = spec.generation ? [generationPython(spec, spec.generation, chosen)] : [];
  const lines = [
    ...opening(model.name, spec, edited ? 'baseline' : 'run'),
    ...(edited ? ['edited = model.run(prompt, edits=edits, capture=capture)'] : []),
    ...loop(edited ? 'for run in (baseline, edited):' : null, perRun),
    `found = ${call(spec, position, edited)}`,
    'print(found.to_pandas())',
    ...loop(edited ? 'for chosen in ([], edits):' : null, perEdits),
  ];
  return `${lines.join('\n')}\n`;
}

/** Of a model that gives labels. */
export function labelsPython({ model, spec }: Page): string {
  const edited = spec.edits.some(on);
  const asked = [
    ...(spec.k === QUESTIONS.labels.top_k.default ? [] : [`top_k=${spec.k}`]),
    ...furtherPython(spec, 'labels'),
    ...(edited ? ['edits=edits'] : []),
  ];
  const lines = [
    ...opening(model.name, spec),
    `found = ue.label_scores(${['model', 'prompt', ...asked].join(', ')})`,
    'print(found.to_pandas())',
  ];
  return `${lines.join('\n')}\n`;
}

/** What the server is asked, as arguments. */
function call(spec: Spec, position: number, edited: boolean): string {
  const asked = [
    `position=${position}`,
    ...(spec.k === QUESTIONS.predictions.top_k.default ? [] : [`top_k=${spec.k}`]),
    ...(spec.target ? [`target=${quote(spec.target)}`] : []),
    ...(spec.distractor ? [`distractor=${quote(spec.distractor)}`] : []),
    ...furtherPython(spec, 'predictions'),
    ...(edited ? ['edits=edits'] : []),
  ];
  return `ue.predictions(${['model', 'prompt', ...asked].join(', ')})`;
}

function generationPython(spec: Spec, generation: Generation, chosen: string): string {
  const { tokens, temperature, seed } = generation;
  const sampled = temperature > 0 ? `, temperature=${temperature}, seed=${seed}` : '';
  const further = furtherPython(spec, 'generate')
    .map((one) => `, ${one}`)
    .join('');
  return `print(model.generate(prompt, ${tokens}${chosen}${sampled}${further}).text)`;
}

/** The lines under a head, or, where there is only one side, as they are. */
function loop(head: string | null, lines: string[]): string[] {
  if (head === null) return lines;
  return lines.length > 0 ? [head, ...lines.map((line) => `    ${line}`)] : [];
}
