/** The Python that reproduces the flow graph. */
import { parseTarget } from '../../shared/text/address';
import type { Edit } from '../../shared/text/edits';
import { optionsPython, quote } from '../../shared/text/options';
import { list, on, opening } from '../../shared/text/python';
import type { Spec } from '../../shared/text/url';
import type { Page } from '../../shared/view';
import { FLOW, flowBody, type FlowBody } from './flowState';

/** The graph of both runs, and what the cuts really do. `depth`: layers of the model. */
export function flowPython({ model, spec, position }: Page): string {
  const body = flowBody(spec.flow, spec.target, model.n_layers);
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
      model.name,
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

/** Not options: arguments of the call. */
const ARGUMENTS = ['layers', 'target'];

/** Only what is not as at the start. */
function flowOptions(body: FlowBody): string[] {
  const said = Object.entries(body).filter(
    ([name, value]) =>
      !ARGUMENTS.includes(name) && value !== null && !(Array.isArray(value) && value.length === 0),
  );
  const given = optionsPython(Object.fromEntries(said));
  return given.length > 0 ? [`options=ue.FlowOptions(${given.join(', ')})`] : [];
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
