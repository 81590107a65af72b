/** Taking along what was found: a table, the answer, the Python that asks again. */
import type { Hits } from '../api/explore';
import { SaveMenu } from '../components/SaveMenu';
import { saveCsv, saveJson } from '../components/save';
import type { Context } from '../core/explore';
import { explorePython } from '../core/explorePython';
import { useSpec } from '../state/store';

export function ExploreSave({
  data,
  model,
  context,
}: {
  data: Hits;
  model: string;
  context: Context;
}) {
  const spec = useSpec();
  return (
    <SaveMenu
      csv={() => saveCsv('vectors.csv', table(data))}
      json={() => saveJson('vectors.json', { question: spec.explore, answer: data })}
      python={() => explorePython(model, spec, context)}
    />
  );
}

function table(data: Hits): Array<Array<string | number>> {
  const tokens = (list: Hits['items'][number]['promoted']) =>
    list.map(({ token }) => token.label).join(' ');
  return [
    ['node', 'layer', 'neuron', 'score', 'norm', 'matched', 'promoted', 'suppressed'],
    ...data.items.map((hit) => [
      hit.node,
      hit.layer,
      hit.neuron,
      hit.score,
      hit.norm,
      tokens(hit.matched),
      tokens(hit.promoted),
      tokens(hit.suppressed),
    ]),
  ];
}
