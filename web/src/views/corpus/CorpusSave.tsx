/** Taking what was found along. */
import type { ModelInfo } from '../../shared/api/queries';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { useSpec } from '../../shared/state/store';
import type { Hits, Relations } from './query';

export function CorpusSave({ data, model }: { data: Hits; model: ModelInfo }) {
  const spec = useSpec();
  return (
    <SaveMenu
      csv={() => saveCsv(`${data.corpus}.csv`, rows(data))}
      json={() => saveJson(`${data.corpus}.json`, { question: spec.corpus, answer: data })}
      model={model}
    />
  );
}

export function RelationsSave({ data, model }: { data: Relations; model: ModelInfo }) {
  const { corpus } = useSpec();
  const name = `${data.corpus}-heads`;
  return (
    <SaveMenu
      csv={() => saveCsv(`${name}.csv`, relationRows(data))}
      json={() => saveJson(`${name}.json`, { question: corpus, answer: data })}
      model={model}
    />
  );
}

function relationRows({ items }: Relations): Array<Array<string | number>> {
  const names = Object.keys(items[0] ?? {}) as Array<keyof Relations['items'][number]>;
  return [names, ...items.map((one) => names.map((name) => one[name]))];
}

const LABELS = ['word', 'lemma', 'pos', 'tag', 'dep', 'entity', 'position'] as const;

function rows({ items }: Hits): Array<Array<string | number>> {
  const fields = [...new Set(items.flatMap(({ metadata }) => Object.keys(metadata)))];
  const named = fields.map((name) => `metadata.${name}`);
  return [
    ['score', 'token', 'text', ...LABELS, 'sentence', 'file', 'record', ...named],
    ...items.map((hit) => [
      hit.score ?? '',
      hit.match.token.text,
      hit.text,
      ...LABELS.map((name) => hit.match[name] ?? ''),
      hit.sentence,
      hit.file,
      hit.record,
      ...fields.map((name) => hit.metadata[name] ?? ''),
    ]),
  ];
}
