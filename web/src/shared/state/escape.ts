/** What Esc closes, before a view has its turn. */
import { dropPeek, isPeekShown } from './peek';
import { change, useStore } from './store';

/** The pop-up, or work in progress. */
export function closePassing(): boolean {
  return closePeek() || cancelWork();
}

export function closePeek(): boolean {
  if (!isPeekShown()) return false;
  dropPeek();
  return true;
}

export function cancelWork(): boolean {
  const busy = document.querySelector<HTMLButtonElement>('[data-testid="cancel"]');
  busy?.click();
  return busy !== null;
}

export function closeDrawer(): boolean {
  if (useStore.getState().spec.node === null) return false;
  change({ node: null });
  return true;
}
