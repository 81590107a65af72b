/** The Python that reproduces a view, in the public names of the library. */
import type { Edit } from './edits';
import { scoring, type Spec } from './url';

export function predictionsPython(model: string, spec: Spec, position: number): string {
  const lines = [
    ...opening(model, spec),
    `run = model.run(prompt${spec.edits.some(on) ? ', edits=edits' : ''})`,
  ];
  lines.push(`for token in run.top(k=${spec.k}, position=${position}):`, '    print(token)');
  return `${lines.join('\n')}\n`;
}

/** What the server is asked for a lens, as arguments: defaults are left out. */
export function lensPython(model: string, spec: Spec): string {
  const figure = [
    ...(spec.kind === 'probability' ? [] : [`kind=${quote(spec.kind)}`]),
    ...(spec.flipped ? ['top_down=True'] : []),
  ].join(', ');
  const lines = [
    ...opening(model, spec),
    `lens = ue.logit_lens(${['model', 'prompt', ...lensOptions(spec)].join(', ')})`,
    'print(lens.to_pandas())',
    `# lens.plot(${figure})  # the picture`,
    `# lens.to_html(${figure ? `${figure}, ` : ''}path="lens.html")  # a page of its own`,
  ];
  return `${lines.join('\n')}\n`;
}

function lensOptions(spec: Spec): string[] {
  const scored = scoring(spec);
  return [
    ...(spec.positions ? [`positions=${indices(spec.positions)}`] : []),
    ...(spec.step > 1 ? [`layer_step=${spec.step}`] : []),
    ...(spec.embedding ? [] : ['include_embedding=False']),
    ...(spec.subblocks ? ['subblocks=True'] : []),
    ...(spec.decoder === 'final_norm' ? [] : [`decoder=${quote(spec.decoder)}`]),
    ...(scored.target === null ? [] : [`target=${quote(scored.target)}`]),
    ...(scored.follow === 'final' ? [] : [`follow=${quote(scored.follow)}`]),
    ...(spec.clipped ? ['kl_floor=1 / (10 * model.vocab_size)'] : []),
    ...(spec.edits.some(on) ? ['edits=edits'] : []),
  ];
}

/** A range where positions run on, as people write them. */
function indices(positions: readonly number[]): string {
  const [first, last] = [positions[0] ?? 0, positions.at(-1) ?? 0];
  return positions.length > 2 && first >= 0 && last - first + 1 === positions.length
    ? `range(${first}, ${last + 1})`
    : list(positions);
}

function on(made: Edit): boolean {
  return made.enabled;
}

function opening(model: string, spec: Spec): string[] {
  const lines = [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model)})`,
    `prompt = ${quote(spec.prompt)}`,
  ];
  const edits = spec.edits.filter(on);
  if (edits.length > 0)
    lines.push('edits = [', ...edits.map((made) => `    ${editPython(made)},`), ']');
  return lines;
}

function editPython(made: Edit): string {
  const parts = [quote(made.target)];
  if (made.operation === 'patch') parts.push(sourceRun(made));
  else if (made.value !== null && made.operation !== 'zero') parts.push(JSON.stringify(made.value));
  if (made.positions) parts.push(`positions=${list(made.positions)}`);
  if (made.source?.positions) parts.push(`source_positions=${list(made.source.positions)}`);
  if (made.stage === 'pre') parts.push('stage="pre"');
  return `ue.${made.operation}(${parts.join(', ')})`;
}

/** A patch needs the activation itself: the run it comes from captures the site behind the target. */
function sourceRun(made: Edit): string {
  return `model.run(${quote(made.source?.prompt ?? '')}, capture=[ue.required_capture(${quote(made.target)}, model${made.stage === 'pre' ? ', stage="pre"' : ''})])`;
}

function list(numbers: readonly number[]): string {
  return `[${numbers.join(', ')}]`;
}

/** A Python string literal: JSON's escapes are Python's too, but for characters beyond the 16-bit plane, which JSON leaves as they are. */
export function quote(text: string): string {
  return JSON.stringify(text.toWellFormed());
}
