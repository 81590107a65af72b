/** Labels of nodes that are kept on the server: by hand, by a language model, from files, by search. */
import { useQuery } from '@tanstack/react-query';
import { notify } from '../state/store';
import { answer, api, type Schemas } from './client';
import { queryClient } from './queries';
import { sentence } from './workspace';

export type Label = Schemas['Label'];
export type NodeLabels = Schemas['NodeLabels'];

const KEY = ['node-labels'];
const NONE: readonly Label[] = [];

export function useLabels() {
  return useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => answer(api.GET('/api/explain/labels', { signal })),
  });
}

/** The labels of a node, the one that is shown first. */
export function useLabelsOf(node: string): readonly Label[] {
  return useLabels().data?.labels.filter((one) => one.node === node) ?? NONE;
}

/** After labels were made: they are asked for again. */
export function labelsChanged(): Promise<void> {
  return queryClient.invalidateQueries({ queryKey: KEY });
}

/** Without a text the label of that source is forgotten. */
export function editLabel(
  node: string,
  text: string,
  source: Label['source'] = 'hand',
): Promise<void> {
  return changed(answer(api.POST('/api/explain/labels', { body: { node, text, by: '', source } })));
}

/** All labels of a file, or none of them. */
export async function importLabels(file: File): Promise<void> {
  const data = fileData(await file.text());
  await changed(
    answer(api.POST('/api/explain/labels/import', { body: { labels: data as never } })).then(
      ({ kept }) => notify(`${kept.toLocaleString('en')} labels are kept.`),
    ),
  );
}

/** JSON, or JSON lines; what is neither is left to the server to refuse. */
export function fileData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line) as unknown);
    } catch {
      return text;
    }
  }
}

async function changed(request: Promise<unknown>): Promise<void> {
  try {
    await request;
    await labelsChanged();
  } catch (failure) {
    notify(sentence(failure));
    throw failure;
  }
}
