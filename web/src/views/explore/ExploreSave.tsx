/** Taking along what was found: a table, the answer, the Python that asks again. */
import type { Hits } from '../../shared/api/explore';
import type { ModelInfo } from '../../shared/api/queries';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { useSpec } from '../../shared/state/store';

export function ExploreSave({ data, model }: { data: Hits; model: ModelInfo }) {
  const spec = useSpec();
  return (
    <SaveMenu
      csv={() => saveCsv('vectors.csv', table(data))}
      json={() => saveJson('vectors.json', { question: spec.explore, answer: data })}
      model={model}
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
