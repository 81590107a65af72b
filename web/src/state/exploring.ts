/** Changes to what is asked of the vector index, and to what is done with what it finds. */
import type { Explore } from '../core/explore';
import { operationWords, switched, type Switch } from '../core/edits';
import { MAX_EDITS } from '../core/url';
import { change, notify, useSpec, useStore } from './store';

export function useExplore(): Explore {
  return useSpec().explore;
}

/** Another question starts at its first hit. */
export function ask(patch: Partial<Explore>, how: 'push' | 'replace' = 'push'): void {
  const { explore } = useStore.getState().spec;
  change({ explore: { ...explore, offset: 0, ...patch } }, how);
}

/** Goes to the Explore view with a question. */
export function exploreWith(patch: Partial<Explore>): void {
  const { explore } = useStore.getState().spec;
  change({ view: 'explore', explore: { ...explore, offset: 0, ...patch } });
}

export function openPage(node: string): void {
  change({ view: 'component', node });
}

/** Switches a node off or on at every position, or takes that back. */
export function switchNode(node: string, operation: Switch): void {
  const { edits, prompt } = useStore.getState().spec;
  const after = switched(edits, node, operation);
  if (after.length > MAX_EDITS) {
    notify(`At most ${MAX_EDITS} edits can be kept.`);
    return;
  }
  change({ edits: after });
  if (after.length < edits.length) notify(`${node} is left as it is.`);
  else notify(`${node}: ${operationWords(operation)}.${prompt === '' ? UNSEEN : ''}`);
}

const UNSEEN = ' Run a prompt to see what that changes.';
