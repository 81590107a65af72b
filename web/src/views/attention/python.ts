/** The Python that reproduces the attention that is shown. */
import { capturePython, editLines, list, on, opening, preamble } from '../../shared/text/python';
import { optionsPython, quote } from '../../shared/text/options';
import { promptPython, type Prompted } from '../../shared/text/chat';
import { forNeurons } from '../../shared/text/edits';
import type { Spec } from '../../shared/text/url';
import { useStore } from '../../shared/state/store';
import type { Page } from '../../shared/view';
import { attentionOptions, type AttentionState } from './attentionState';
import { headsOf, partOf, type Part } from './picks';
import { askedQueries, attentionBody, otherOf } from './request';

/** Both runs, where an edit is on. */
export function attentionPython({ model, spec, position }: Page): string {
  const { attention } = spec;
  const length = useStore.getState().positions;
  const heads = headsOf(attention.picks, model);
  const part = partOf(heads);
  const queries =
    part === 'encoder'
      ? null
      : attention.queries === 'position'
        ? [position]
        : askedQueries(attention.queries, length || Infinity, position);
  const body = attentionBody(attention, heads, model, queries, null);
  const asked = [
    list(body.layers),
    ...partPython(part),
    ...(body.heads ? [`heads=${list(body.heads)}`] : []),
    ...(body.weights ? [`weights=${list(body.weights)}`] : []),
    ...(queries ? [`queries=${list(queries)}`] : []),
    ...optionsPython(attentionOptions(attention, spec.pair !== '')),
    ...(attention.measure === 'target' ? targetPython(spec) : []),
  ].join(', ');
  const edited = spec.edits.some(on);
  const other = otherOf(spec, heads);
  if (other)
    return `${[...againstPython(model.name, spec, other, asked), ...scoresPython(attention, part), ...PICTURE].join('\n')}\n`;
  const lines = [
    ...opening(
      model.name,
      spec,
      edited ? 'baseline' : 'run',
      `ue.attention_capture(model, ${asked})`,
    ),
    `found = ue.attention(${edited ? 'baseline' : 'run'}, ${asked})`,
    'print(found.to_pandas())',
    ...(edited
      ? [
          'edited = model.run(prompt, edits=edits, capture=capture)',
          `changed = ue.attention(edited, ${asked})`,
          'print(changed.to_pandas())',
        ]
      : []),
    ...scoresPython(spec.attention, part),
    ...PICTURE,
  ];
  return `${lines.join('\n')}\n`;
}

const PICTURE = [
  '# found.plot()  # the picture',
  '# found.to_html(path="attention.html")  # a page of its own',
];

/** Both prompts, each with the edits; those that are made of numbers of a run, of its own run. */
function againstPython(model: string, spec: Spec, other: Prompted, asked: string): string[] {
  const edits = spec.edits.filter(on);
  const measured = edits.some(
    ({ operation, between }) => forNeurons(operation) || operation === 'cut' || between !== null,
  );
  const given = measured ? ', edits=edits_of(one)' : edits.length > 0 ? ', edits=edits' : '';
  return [
    ...(measured ? preamble(model, spec) : opening(model, spec)),
    `other = ${promptPython(other)}`,
    ...(measured ? editsOfPython(spec) : []),
    `kept = ue.attention_capture(model, ${asked})`,
    `runs = [model.run(one, capture=kept${given}) for one in (prompt, other)]`,
    `found = ue.compare_attention(*runs, ${asked})`,
    'print(found.to_pandas())',
  ];
}

function editsOfPython(spec: Spec): string[] {
  const capture = capturePython(spec);
  return [
    ...capture,
    '',
    '',
    'def edits_of(prompt):',
    ...(capture.length > 0 ? ['    baseline = model.run(prompt, capture=capture)'] : []),
    '    return [',
    ...editLines(spec).map((line) => `    ${line}`),
    '    ]',
    '',
    '',
  ];
}

/** Where none is typed, the model's own most likely token at the position. */
function targetPython({ target, distractor }: Page['spec']): string[] {
  return [
    `target=${target === '' ? 'model.run(prompt).top(k=1)[0].token.id' : quote(target)}`,
    ...(distractor === '' ? [] : [`distractor=${quote(distractor)}`]),
  ];
}

function partPython(part: Part): string[] {
  return part === 'self' ? [] : [`part=${quote(part)}`];
}

function scoresPython({ order, score, scored }: AttentionState, part: Part): string[] {
  const of = ['model', ...(scored === 'prompt' ? ['prompt'] : []), ...partPython(part)].join(', ');
  const by = order === 'score' ? `score=${quote(score)}` : `kind=${quote(order)}`;
  const sorts = order === 'score' ? score !== '' : order !== 'layer';
  return sorts ? [`print(ue.find_heads(${of}, ${by}).best(5))`] : [];
}
