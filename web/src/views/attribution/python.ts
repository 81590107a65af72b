/** The Python that reproduces the attribution. */
import { promptPython } from '../../shared/text/chat';
import { on, opening } from '../../shared/text/python';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { attributionBody } from './attributionState';
import { traceBody } from './tracing';

/** Of both runs where an edit is on. */
export function attributionPython(page: Page): string {
  return page.spec.attribution.trace.length > 0 ? tracePython(page) : answerPython(page);
}

function tracePython({ model, spec, position }: Page): string {
  const size = { layers: model.n_layers, positions: Infinity };
  const { target, distractor, top_k, kinds, layers, positions } = attributionBody(
    spec.attribution,
    spec,
    size,
  );
  const { node, ...way } = traceBody(spec.attribution);
  const options = Object.entries({
    ...way,
    ...{ target, distractor, position, top_k, kinds, layers, positions },
  }).filter(([, value]) => value !== null);
  const given = [quote(node), ...optionsPython(Object.fromEntries(options))].join(', ');
  const edited = spec.edits.some(on);
  const [indent, more] = edited ? ['    ', ', edits=changes'] : ['', ''];
  const lines = [
    ...opening(model.name, spec),
    ...(edited ? ['for changes in ([], edits):'] : []),
    `${indent}found = ue.trace(model, prompt, ${given}${more})`,
    `${indent}print(found.words, found.value)`,
    `${indent}print(found.to_pandas())`,
    `${indent}print([part.completeness for part in found.parts])`,
  ];
  return `${lines.join('\n')}\n`;
}

function answerPython({ model, spec, position }: Page): string {
  const size = { layers: model.n_layers, positions: Infinity };
  const { target, sort_by, verify, ...rest } = attributionBody(spec.attribution, spec, size);
  const options = Object.entries({
    position: model.labels_of === 'text' ? null : position,
    ...rest,
    ...(sort_by === 'total' ? {} : { sort_by }),
    ...(verify === 0 ? {} : { verify }),
  }).filter(([, value]) => value !== null);
  const given = [
    ...(target === null ? [] : [quote(target)]),
    ...optionsPython(Object.fromEntries(options)),
  ].join(', ');
  const shown = {
    nodes: 'found.to_pandas()',
    components: 'sorted(found.by_component().items(), key=lambda one: -abs(one[1]))',
    positions: '*found.at_positions, sep="\\n"',
  }[spec.attribution.grouping];
  const report = [
    `print(${shown})`,
    'print(found.completeness)',
    ...(verify === 0 && !spec.attribution.verify_all ? [] : ['print(found.verification)']),
    ...(spec.attribution.sample === 0 ? [] : ['print(found.bound)']),
  ];
  const { beside } = spec.attribution;
  const two = beside !== '';
  const edited = !two && spec.edits.some(on);
  const lines = [
    ...opening(model.name, two ? { ...spec, edits: [] } : spec),
    ...(two
      ? [
          `for each in (prompt, ${promptPython({ ...spec, prompt: beside })}):`,
          `    found = ue.attribute(model, each, ${given})`,
          ...report.map((line) => `    ${line}`),
        ]
      : edited
        ? [
            'for changes in ([], edits):',
            `    found = ue.attribute(model, prompt, edits=changes, ${target === null ? '' : 'target='}${given})`,
            ...report.map((line) => `    ${line}`),
          ]
        : [`found = ue.attribute(model, prompt, ${given})`, ...report]),
  ];
  return `${lines.join('\n')}\n`;
}
