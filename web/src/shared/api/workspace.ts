/** What a person keeps on the server: names given to nodes, saved runs and circuits. */
import { useQuery } from '@tanstack/react-query';
import { answer, api, ApiError, type Schemas } from './client';
import { queryClient } from './queries';
import { notify } from '../state/store';

export type SavedRun = Schemas['SavedRun'];
export type RunEntry = Schemas['RunEntry'];
export type CircuitEntry = Schemas['CircuitEntry'];
export type SavedCircuit = Schemas['SavedCircuit'];
export type NodeName = Schemas['NodeName'];

const KEY = ['workspace'];

export function useWorkspace() {
  return useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => answer(api.GET('/api/workspace', { signal })),
  });
}

/** A node's own name and note; null where it was given none. */
export function useNodeName(node: string): NodeName | null {
  return useWorkspace().data?.names.find((named) => named.node === node) ?? null;
}

/** Two empty texts forget the name. */
export function nameNode(node: string, name: string, note: string): Promise<void> {
  return keep(answer(api.POST('/api/workspace/name', { body: { node, name, note } })));
}

export function saveRun(run: Schemas['SaveRunRequest']): Promise<{ id: string }> {
  return keep(answer(api.POST('/api/workspace/run', { body: run })));
}

export function openRun(id: string): Promise<SavedRun> {
  return answer(api.POST('/api/workspace/open', { body: { id } }));
}

export function deleteRun(id: string): Promise<void> {
  return keep(answer(api.POST('/api/workspace/delete', { body: { id } })));
}

export function importRun(run: SavedRun): Promise<{ id: string }> {
  return keep(answer(api.POST('/api/workspace/import', { body: { run } })));
}

export function saveCircuit(circuit: Schemas['SaveCircuitRequest']): Promise<{ id: string }> {
  return keep(answer(api.POST('/api/workspace/circuit', { body: circuit })));
}

export function openCircuit(id: string): Promise<SavedCircuit> {
  return answer(api.POST('/api/workspace/circuit/open', { body: { id } }));
}

export function renameCircuit(id: string, name: string, note: string): Promise<void> {
  return keep(answer(api.POST('/api/workspace/circuit/rename', { body: { id, name, note } })));
}

export function deleteCircuit(id: string): Promise<void> {
  return keep(answer(api.POST('/api/workspace/circuit/delete', { body: { id } })));
}

/** What a file says is the server's to judge. */
export function importCircuit(saved: unknown): Promise<{ id: string }> {
  const body = { saved } as Schemas['ImportCircuitRequest'];
  return keep(answer(api.POST('/api/workspace/circuit/import', { body })));
}

/** After a change the list is asked for again; a failure is said in the corner, and passed on. */
async function keep<Data>(request: Promise<unknown>): Promise<Data> {
  try {
    const data = (await request) as Data;
    await queryClient.invalidateQueries({ queryKey: KEY });
    return data;
  } catch (failure) {
    notify(sentence(failure));
    throw failure;
  }
}

/** A failure as it is said to a person. */
export function sentence(failure: unknown): string {
  if (!(failure instanceof ApiError)) return failure instanceof Error ? failure.message : 'Failed.';
  return failure.body.fix ? `${failure.message} ${failure.body.fix}` : failure.message;
}
