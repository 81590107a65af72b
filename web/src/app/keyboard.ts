/** The keyboard of the whole page. What a focused control does with a key comes first, then the view. */
import { CARD_KEYS } from '../draw/card';
import { dispatch, isControl, isTyping, type Key } from '../draw/keys';
import { closeDrawer, closePassing } from '../shared/state/escape';
import { freezePeek } from '../shared/state/peek';
import { findLike, movePosition } from '../shared/state/position';
import { change, useStore } from '../shared/state/store';
import { PROMPT_KEYS } from './promptKeys';
import type { View } from '../shared/view';
import { VIEWS } from '../views';

export const PAGE_KEYS: readonly Key[] = [
  {
    on: ['/'],
    label: '/',
    says: 'go to the prompt',
    act: () => {
      document.querySelector<HTMLTextAreaElement>('#prompt')?.focus();
      return true;
    },
  },
  ...Object.values(PROMPT_KEYS),
  {
    on: [',', '.'],
    label: ', and .',
    says: 'previous and next token',
    act: ({ key }) => movePosition(key === ',' ? -1 : 1),
  },
  {
    on: [' '],
    label: 'Space (hold)',
    says: 'show the baseline',
    act: ({ target }) => {
      if (isControl(target)) return false;
      useStore.setState({ holding: true });
      return true;
    },
  },
  {
    ...CARD_KEYS.freeze,
    act: () => {
      freezePeek(true);
      return false;
    },
  },
  {
    on: ['f'],
    label: 'f',
    says: 'find tokens like the chosen one in a corpus',
    act: () => {
      findLike();
      return true;
    },
  },
  {
    on: ['s'],
    label: 's',
    says: 'saved runs',
    act: () => {
      useStore.setState({ runs: true });
      return true;
    },
  },
  {
    on: ['Escape'],
    label: 'Esc',
    says: 'close, or cancel',
    act: () => closePassing() || closeDrawer(),
  },
  {
    on: ['?'],
    label: '?',
    says: 'this help',
    act: () => {
      useStore.setState({ help: true });
      return true;
    },
  },
];

/** Where the drawer can be open. */
const DRAWER_KEY: Key = {
  on: ['p'],
  label: 'p',
  says: 'open the page of the component in the drawer',
  act: () => {
    if (useStore.getState().spec.node === null) return false;
    change({ view: 'component' });
    return true;
  },
};

/** Of the page while the view is shown, after the view's own. */
export function pageKeys(view: View): readonly Key[] {
  return view.ofNode ? PAGE_KEYS : [DRAWER_KEY, ...PAGE_KEYS];
}

export function listenToKeys(): void {
  addEventListener('keydown', onKeyDown);
  addEventListener('keyup', onKeyUp);
  addEventListener('blur', release);
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.key !== 'Shift' && (event.defaultPrevented || isTyping(event.target))) return;
  if (document.querySelector('dialog[open]')) return;
  const { view } = useStore.getState().spec;
  const shown = VIEWS.find(({ id }) => id === view);
  if (shown && dispatch([...shown.keys, ...pageKeys(shown)], event)) event.preventDefault();
}

function onKeyUp(event: KeyboardEvent): void {
  if (event.key === ' ') useStore.setState({ holding: false });
  if (event.key === 'Shift') freezePeek(false);
}

function release(): void {
  useStore.setState({ holding: false });
  freezePeek(false);
}
