/** The keyboard in a layer's heads and neurons. */
import { useEffect, type RefObject } from 'react';
import { switchNode } from '../../shared/state/store';

/** Listens on the place itself: the keys belong to the controls inside, wherever the focus is. */
export function useWalk(place: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = place.current;
    element?.addEventListener('keydown', walk);
    return () => element?.removeEventListener('keydown', walk);
  }, [place]);
}

/** Arrows walk over the nodes and what can be done to them; x, i and e change the one in focus. */
function walk(event: KeyboardEvent): void {
  const control = (event.target as HTMLElement).closest<HTMLElement>('button');
  const row = control?.closest('tr');
  const name = row?.querySelector<HTMLElement>('[data-node]');
  const node = name?.dataset['node'];
  if (!control || !row || !node || event.ctrlKey || event.metaKey || event.altKey) return;
  const acts: Record<string, () => void> = {
    x: () => switchNode(node, 'zero'),
    i: () => {
      if (node.includes('.N')) switchNode(node, 'on');
    },
    e: () => row.querySelector<HTMLElement>('.more')?.click(),
    ArrowDown: () => step(control.closest('.layers'), '[data-node]', name, 1),
    ArrowUp: () => step(control.closest('.layers'), '[data-node]', name, -1),
    ArrowRight: () => step(row, 'button', control, 1),
    ArrowLeft: () => step(row, 'button', control, -1),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

function step(within: Element | null, selector: string, from: Element, by: 1 | -1): void {
  const found = [...(within?.querySelectorAll<HTMLElement>(selector) ?? [])];
  found[found.findIndex((element) => element === from) + by]?.focus();
}
