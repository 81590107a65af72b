/** The Python that reproduces the attention that is shown. */
import { list, on, opening } from '../../shared/text/python';
import { optionsPython, quote } from '../../shared/text/options';
import { useStore } from '../../shared/state/store';
import type { Page } from '../../shared/view';
import { attentionOptions, type AttentionState } from './attentionState';
import { headsOf, partOf, type Part } from './picks';
import { askedQueries, attentionBody } from './request';

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
    '# found.plot()  # the picture',
    '# found.to_html(path="attention.html")  # a page of its own',
  ];
  return `${lines.join('\n')}\n`;
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
