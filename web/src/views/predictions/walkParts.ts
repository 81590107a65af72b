/** The keyboard in a layer's heads and neurons. */
import { useEffect, type RefObject } from 'react';
import { pressed } from '../../draw/keys';
import { switchNode } from '../../shared/state/store';
import { PART_KEYS } from './predictionsKeys';

/** Listens on the place itself: the keys belong to the controls inside, wherever the focus is. */
export function useWalk(place: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = place.current;
    element?.addEventListener('keydown', walk);
    return () => element?.removeEventListener('keydown', walk);
  }, [place]);
}

/** Arrows walk over the nodes and what can be done to them; letters change the one in focus. */
function walk(event: KeyboardEvent): void {
  const control = (event.target as HTMLElement).closest<HTMLElement>('button');
  const row = control?.closest('tr');
  const name = row?.querySelector<HTMLElement>('[data-node]');
  const node = name?.dataset['node'];
  const key = pressed(PART_KEYS, event);
  if (!control || !row || !node || key === null) return;
  const down = event.key === 'ArrowDown' || event.key === 'ArrowRight';
  const acts: Record<keyof typeof PART_KEYS, () => void> = {
    off: () => switchNode(node, 'zero'),
    on: () => {
      if (node.includes('.N')) switchNode(node, 'on');
    },
    more: () => row.querySelector<HTMLElement>('.more')?.click(),
    rows: () => step(control.closest('.layers'), '[data-node]', name, down ? 1 : -1),
    controls: () => step(row, 'button', control, down ? 1 : -1),
  };
  event.preventDefault();
  acts[key]();
}

function step(within: Element | null, selector: string, from: Element, by: 1 | -1): void {
  const found = [...(within?.querySelectorAll<HTMLElement>(selector) ?? [])];
  found[found.findIndex((element) => element === from) + by]?.focus();
}
