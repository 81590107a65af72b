/** The Python that reproduces a view, in the public names of the library: what all views begin with. */
import { forNeurons, type Edit } from './edits';
import { promptPython } from './chat';
import { quote } from './options';
import type { Spec } from './url';

/** A range where positions run on, as people write them. */
export function indices(positions: readonly number[]): string {
  const [first, last] = [positions[0] ?? 0, positions.at(-1) ?? 0];
  return positions.length > 2 && first >= 0 && last - first + 1 === positions.length
    ? `range(${first}, ${last + 1})`
    : list(positions);
}

/** In force. */
export function on(made: Edit): boolean {
  return made.enabled;
}

/** Up to the prompt. */
export function preamble(model: string, spec: Spec): string[] {
  const placed = spec.edits.some(
    (made) => on(made) && forNeurons(made.operation) && made.positions !== null,
  );
  return [
    ...(placed ? ['from dataclasses import replace', ''] : []),
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model)})`,
    `prompt = ${promptPython(spec)}`,
  ];
}

/** What the run without edits must capture for those that are measured in it: `capture = …`. */
export function capturePython(spec: Spec, kept: readonly string[] = []): string[] {
  const edits = spec.edits.filter(on);
  const captures = [
    ...kept,
    ...(edits.some((made) => forNeurons(made.operation)) ? ['ue.sub_updates_capture(model)'] : []),
    ...edits
      .filter((made) => made.operation === 'cut')
      .map((made) => `ue.cut_capture(model, ${quote(made.target)})`),
  ];
  const needed = [...new Set(captures)];
  if (needed.length === 0) return [];
  return [
    `capture = ${needed.length === 1 ? needed[0] : `[${needed.map((one) => `*${one}`).join(', ')}]`}`,
  ];
}

/** The edits in force, of `baseline` and `prompt` where they are measured in them: lines of a list. */
export function editLines(spec: Spec): string[] {
  return spec.edits.filter(on).map((made) => `    ${editPython(made, spec)},`);
}

/**
 * Up to the edits. The run without them comes first where it is shown, or where presets and cuts are
 * measured in it; `kept` is what the view itself reads of it.
 */
export function opening(
  model: string,
  spec: Spec,
  shown?: 'baseline' | 'run',
  kept = 'ue.sub_updates_capture(model)',
): string[] {
  const capture = capturePython(spec, shown ? [kept] : []);
  const edits = editLines(spec);
  return [
    ...preamble(model, spec),
    ...capture,
    ...(capture.length > 0
      ? [`${shown === 'run' ? 'run' : 'baseline'} = model.run(prompt, capture=capture)`]
      : []),
    ...(edits.length > 0 ? ['edits = [', ...edits, ']'] : []),
  ];
}

function editPython(made: Edit, spec: Spec): string {
  if (made.operation === 'cut')
    return `*ue.cut(baseline, ${quote(made.target)}, position=${made.positions?.[0] ?? -1})`;
  if (forNeurons(made.operation)) return presetPython(made);
  if (made.operation === 'mask') return `ue.mask(${list(made.positions ?? ownPosition(made))})`;
  if (made.operation === 'knock_out') return knockOutPython(made);
  const parts = [quote(made.target)];
  if (made.operation === 'patch') parts.push(sourceRun(made, spec));
  else if (made.value !== null && made.operation !== 'zero') parts.push(JSON.stringify(made.value));
  if (made.positions) parts.push(`positions=${list(made.positions)}`);
  if (made.source?.positions) parts.push(`source_positions=${list(made.source.positions)}`);
  if (made.stage === 'pre') parts.push('stage="pre"');
  if (made.source?.take) parts.push(`take=${quote(made.source.take)}`);
  if (made.source?.seed) parts.push(`seed=${made.source.seed}`);
  return `ue.${made.operation}(${parts.join(', ')})`;
}

function ownPosition(made: Edit): number[] {
  const found = /@(-?\d+)$/.exec(made.target);
  return found ? [Number(found[1])] : [];
}

/** A sentence pair's own pairs are read from the prompt's segments. */
function knockOutPython(made: Edit): string {
  const parts = [quote(made.target)];
  if (made.pairs)
    parts.push(`[${made.pairs.map(([query, key]) => `(${query}, ${key})`).join(', ')}]`);
  if (made.between)
    parts.push(`ue.pairs_between(model.read_prompt(prompt).segments, ${quote(made.between)})`);
  if (made.renormalise) parts.push('renormalise=True');
  return `ue.knock_out(${parts.join(', ')})`;
}

/** Values measured in the unedited run; LM-Debugger's switches are one edit or two. */
function presetPython(made: Edit): string {
  const where = made.positions ? `positions=(${made.positions.join(', ')},)` : null;
  const node = quote(made.target);
  if (made.operation === 'on') {
    const call = `ue.turn_on(baseline, ${node}${made.sign === -1 ? ', sign=-1' : ''})`;
    return where ? `replace(${call}, ${where})` : call;
  }
  const call =
    made.operation === 'lmd_on'
      ? `ue.lm_debugger_on(baseline, ${node})`
      : `ue.lm_debugger_off(${node})`;
  return where ? `*(replace(edit, ${where}) for edit in ${call})` : `*${call}`;
}

/** A patch needs the activation itself: the run it comes from captures the site behind the target. */
function sourceRun(made: Edit, spec: Spec): string {
  const source = made.source?.source ?? spec.source;
  const { prompt = '', pair = '' } = made.source ?? {};
  const from = promptPython({ prompt, chat: false, source, pair });
  return `model.run(${from}, capture=[ue.required_capture(${quote(made.target)}, model${made.stage === 'pre' ? ', stage="pre"' : ''})])`;
}

export function list(numbers: readonly number[]): string {
  return `[${numbers.join(', ')}]`;
}
