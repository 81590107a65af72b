/** What a drawing that stands alone says of its pointer and its keys. */
import { make } from './dom';
import type { Key } from './keys';

export function help(pointer: string, keys: Readonly<Record<string, Key>>): HTMLElement {
  const entries = Object.values(keys).map(({ label, says }) =>
    make('div', {}, make('dt', {}, make('kbd', {}, label)), make('dd', {}, says)),
  );
  return make(
    'div',
    { class: 'hint faint', 'data-testid': 'hint' },
    make('p', {}, pointer),
    make('dl', { class: 'keys' }, ...entries),
  );
}
