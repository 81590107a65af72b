/** The chosen token, from the keyboard. */
import { change, useStore } from './store';

export function movePosition(step: number): boolean {
  const { positions, position } = useStore.getState();
  if (positions === 0 || position === null) return true;
  change({ position: Math.max(0, Math.min(positions - 1, position + step)) }, 'replace');
  return true;
}

/** Tokens of a corpus that are like the chosen one. */
export function findLike(): void {
  const { corpus } = useStore.getState().spec;
  change({ view: 'corpus', corpus: { ...corpus, ask: 'like', chosen: null } });
}
