/** The Python that trains the same, in the public names of the library. */
import { queryClient } from '../../shared/api/queries';
import { furtherPython } from '../../shared/text/further';
import { optionsPython, quote } from '../../shared/text/options';
import type { Page } from '../../shared/view';
import { asksColumn, corpusOf, optionsOf, siteOf } from './request';
import { useMaking } from './training';

export function latentsPython({ model, spec }: Page): string {
  const { latents } = spec;
  const { files, column } = useMaking.getState();
  const corpora = queryClient.getQueryData<{ items: { name: string }[] }>(['corpora']);
  const source =
    latents.source === 'corpus'
      ? quote(corpusOf(latents, corpora?.items ?? []) || 'corpus')
      : `[${files.map(({ name }) => quote(name)).join(', ')}]`;
  const options = [
    ...optionsPython(optionsOf(latents)),
    ...(asksColumn(latents, files) ? optionsPython({ column }) : []),
    ...furtherPython(spec, 'sae_train'),
  ];
  const given = ['model', source, quote(siteOf(latents, model)), ...options].join(', ');
  return [
    'import unembed as ue',
    '',
    `model = ue.load(${quote(model.name)})`,
    `print(ue.estimate_training(${given}).summary())`,
    `found = ue.train_sae(${given})`,
    'print(found.to_pandas())',
    'model.attach(ue.load_sae(found.folder))',
    '',
  ].join('\n');
}
