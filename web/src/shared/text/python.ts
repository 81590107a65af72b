/** The Python that reproduces a view, in the public names of the library. */
import { parseTarget } from './address';
import { forNeurons, type Edit } from './edits';
import { FLOW, flowBody, type FlowBody } from '../../views/flow/flowUrl';
import { scoring, type Generation, type Spec } from './url';

/** The whole page: both runs, what layers read and added, the continuation. `lens`: the model has one. */
export function predictionsPython(
  model: string,
  spec: Spec,
  position: number,
  lens = true,
): string {
  const edited = spec.edits.some(on);
  const chosen = edited ? ', edits=chosen' : '';
  const perRun = [
    `print(*run.top(k=${spec.k}, position=${position}), sep="\\n")`,
    ...(spec.distractor
      ? [`print(run.distribution(${position})[model.token_id(${quote(spec.distractor)})])`]
      : []),
    `parts = ue.sub_updates(run, position=${position}, k=${spec.parts})`,
    'print(parts.to_pandas())',
  ];
  const perEdits = [
    ...(lens ? [`lens = ${lensCall(spec, position, chosen)}`, 'print(lens.to_pandas())'] : []),
    ...(spec.generation ? [generationPython(spec.generation, chosen)] : []),
  ];
  const lines = [
    ...opening(model, spec, edited ? 'baseline' : 'run'),
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

// ------------------------------------------------------------------ the flow graph

/** The graph of both runs, and what the cuts really do. `depth`: layers of the model. */
export function flowPython(model: string, spec: Spec, position: number, depth: number): string {
  const body = flowBody(spec.flow, spec.target, depth);
  const layers = list(body.layers);
  const edited = spec.edits.some(on);
  const rest = [
    ...(body.target === null ? [] : [`target=${quote(body.target)}`]),
    `position=${position}`,
    ...flowOptions(body),
  ].join(', ');
  const colours = spec.flow.palette === FLOW.palette ? '' : `palette=${quote(spec.flow.palette)}`;
  const lines = [
    ...opening(
      model,
      spec,
      edited ? 'baseline' : 'run',
      `ue.flow_capture(model, ${layers}, ${position})`,
    ),
    `graph = ue.flow_graph(${edited ? 'baseline' : 'run'}, ${layers}, ${rest})`,
    'print(graph.to_pandas())',
    'print(graph.links_to_pandas())',
    ...(edited
      ? [
          'edited = model.run(prompt, edits=edits, capture=capture)',
          `changed = ue.flow_graph(edited, ${layers}, ${rest}, like=graph)`,
          'print(changed.to_pandas())',
        ]
      : []),
    ...measuredPython(spec, position, body),
    `# graph.plot(${colours})  # the picture`,
    `# graph.to_html(${colours ? `${colours}, ` : ''}path="flow.html")  # a page of its own`,
  ];
  return `${lines.join('\n')}\n`;
}

const OPTIONS = [
  'n_heads',
  'values_per_head',
  'top_neurons',
  'bottom_neurons',
  'threshold',
  'include',
  'rest',
  'merge_neurons',
  'merge_values',
  'target_mode',
] as const;

/** Only what is not as at the start. */
function flowOptions(body: FlowBody): string[] {
  const usual = flowBody(FLOW, '', 1);
  const given = OPTIONS.filter(
    (name) => JSON.stringify(body[name]) !== JSON.stringify(usual[name]),
  ).map((name) => `${name}=${literal(body[name])}`);
  return given.length > 0 ? [`options=ue.FlowOptions(${given.join(', ')})`] : [];
}

function literal(value: FlowBody[(typeof OPTIONS)[number]]): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return quote(value);
  if (!Array.isArray(value)) return String(value);
  return `(${value.map((name) => `${quote(name)},`).join(' ')})`;
}

/** Edits that cut a node or link of the graph, each alone and all together. */
function measuredPython(spec: Spec, position: number, body: FlowBody): string[] {
  const cuts = spec.edits.filter((made) => on(made) && cutsAt(made, position));
  if (cuts.length === 0) return [];
  const target = body.target === null ? '' : `, target=${quote(body.target)}`;
  const names = cuts.map((made) => quote(made.target)).join(', ');
  return [`print(ue.measure_cuts(baseline, [${names}], position=${position}${target}))`];
}

/** Takes something away at this position alone. */
function cutsAt(made: Edit, position: number): boolean {
  if (made.operation !== 'cut' && (made.operation !== 'zero' || made.stage !== 'post'))
    return false;
  const pair = parseTarget(made.target);
  if (pair?.kind === 'head' && pair.key !== undefined) return pair.query === position;
  return made.positions?.join() === String(position);
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
  const edits = spec.edits.filter(on);
  const presets = edits.filter((made) => forNeurons(made.operation));
  const placed = presets.some((made) => made.positions);
  const captures = [
    ...(shown ? [kept] : []),
    ...(presets.length > 0 ? ['ue.sub_updates_capture(model)'] : []),
    ...edits
      .filter((made) => made.operation === 'cut')
      .map((made) => `ue.cut_capture(model, ${quote(made.target)})`),
  ];
  const needed = [...new Set(captures)];
  return [
    ...(placed ? ['from dataclasses import replace', ''] : []),
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model)})`,
    `prompt = ${quote(spec.prompt)}`,
    ...(needed.length > 0
      ? [
          `capture = ${needed.length === 1 ? needed[0] : `[${needed.map((one) => `*${one}`).join(', ')}]`}`,
          `${shown === 'run' ? 'run' : 'baseline'} = model.run(prompt, capture=capture)`,
        ]
      : []),
    ...(edits.length > 0
      ? ['edits = [', ...edits.map((made) => `    ${editPython(made)},`), ']']
      : []),
  ];
}

function editPython(made: Edit): string {
  if (made.operation === 'cut')
    return `*ue.cut(baseline, ${quote(made.target)}, position=${made.positions?.[0] ?? -1})`;
  if (forNeurons(made.operation)) return presetPython(made);
  const parts = [quote(made.target)];
  if (made.operation === 'patch') parts.push(sourceRun(made));
  else if (made.value !== null && made.operation !== 'zero') parts.push(JSON.stringify(made.value));
  if (made.positions) parts.push(`positions=${list(made.positions)}`);
  if (made.source?.positions) parts.push(`source_positions=${list(made.source.positions)}`);
  if (made.stage === 'pre') parts.push('stage="pre"');
  return `ue.${made.operation}(${parts.join(', ')})`;
}

/** Values measured in the unedited run; LM-Debugger's switches are one edit or two. */
function presetPython(made: Edit): string {
  const where = made.positions ? `positions=(${made.positions.join(', ')},)` : null;
  const node = quote(made.target);
  if (made.operation === 'on') {
    const call = `ue.turn_on(baseline, ${node})`;
    return where ? `replace(${call}, ${where})` : call;
  }
  const call =
    made.operation === 'lmd_on'
      ? `ue.lm_debugger_on(baseline, ${node})`
      : `ue.lm_debugger_off(${node})`;
  return where ? `*(replace(edit, ${where}) for edit in ${call})` : `*${call}`;
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
