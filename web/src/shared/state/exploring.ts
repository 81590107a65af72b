/** Changes to what is asked of the vector index, and to what is done with what it finds. */
import type { Explore } from '../text/explore';
import { change, useSpec, useStore } from './store';

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
