/** The Python that asks a corpus the same, in the public names of the library. */
import { queryClient } from '../../shared/api/queries';
import { optionsPython, quote } from '../../shared/text/options';
import { opening } from '../../shared/text/python';
import { furtherPython } from '../../shared/text/further';
import type { Page } from '../../shared/view';
import { draftPython } from './building';
import { optionsOf, relationsOf, type About } from './request';

export function corpusPython({ model, spec, position }: Page): string {
  const { corpus } = spec;
  if (corpus.ask === 'heads' || corpus.ask === 'build')
    return [
      'import unembed as ue',
      '',
      `model = ue.load(${quote(model.name)})`,
      ...(corpus.ask === 'heads' ? headLines(spec) : draftPython(spec, model)),
      '',
    ].join('\n');
  const like = corpus.ask === 'like';
  const about = aboutOf(corpus.name);
  const options = optionsOf(corpus, about, like, model.kind === 'causal');
  const given = [...optionsPython(options), ...furtherPython(spec, 'corpus')];
  const { layer, by } = options;
  const edited = spec.edits.some((made) => made.enabled) ? ', edits=edits' : '';
  const required = optionsPython({
    ...(layer === undefined ? {} : { layer }),
    ...(by === undefined ? {} : { by }),
  }).join(', ');
  const lines = [
    ...(like
      ? opening(model.name, spec)
      : ['import unembed as ue', '', `model = ue.load(${quote(model.name)})`]),
    `corpus = ue.open_corpus(model, ${quote(about.name)})`,
    ...(like
      ? [`run = model.run(prompt, capture=corpus.required_capture(${required})${edited})`]
      : []),
    `hits = corpus.search(${[...(like ? ['run', String(position)] : []), ...given].join(', ')})`,
    'print(hits.to_pandas())',
    ...(options.summarise ? ['print(hits.labels.to_pandas())'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function headLines(spec: Page['spec']): string[] {
  const { relation, ...rest } = relationsOf(spec.corpus);
  const options = [
    ...optionsPython({ ...rest, ...(relation ? { relation } : {}) }),
    ...furtherPython(spec, 'relations'),
  ];
  return [
    `corpus = ue.open_corpus(model, ${quote(aboutOf(spec.corpus.name).name)})`,
    `print(ue.head_relations(${['corpus', ...options].join(', ')}).to_pandas())`,
  ];
}

/** The corpus that is shown; before the list is there, what the address says of it. */
function aboutOf(name: string): About {
  const listed = queryClient.getQueryData<{ items: About[] }>(['corpora'])?.items ?? [];
  const found = listed.find((one) => one.name === name) ?? (name === '' ? listed[0] : undefined);
  return found ?? ({ name, sites: [], files: [], spacy: '' } as unknown as About);
}
