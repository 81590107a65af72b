/** What is said of every node: its name by hand, else the label that is shown first. */
import { useMemo } from 'react';
import { useLabels } from '../../shared/api/nodeLabels';
import { useWorkspace } from '../../shared/api/workspace';

export function useNodeWords(): Readonly<Record<string, string>> {
  const names = useWorkspace().data?.names;
  const labels = useLabels().data?.labels;
  return useMemo(
    () =>
      Object.fromEntries([
        ...(labels ?? []).toReversed().map(({ node, text }): [string, string] => [node, text]),
        ...(names ?? []).flatMap(({ node, name }): Array<[string, string]> =>
          name === '' ? [] : [[node, name]],
        ),
      ]),
    [names, labels],
  );
}
