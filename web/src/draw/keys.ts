/**
 * The keyboard, as tables: what binds a key and what the help dialog says of it are one entry.
 *
 * An entry with `act` is bound on the whole page while its view is shown. One without is bound by the
 * part of the page that has the focus, which finds it with `pressed`.
 */
export interface Key {
  /** As `KeyboardEvent.key` names them. */
  on: readonly string[];
  /** Only with this one held; without it no key is bound while Ctrl, ⌘ or Alt is held. */
  held?: 'Shift' | 'Ctrl';
  /** As the help dialog names them. */
  label: string;
  /** What they do, in a sentence. */
  says: string;
  /** False: nothing was done, and others may act. */
  act?: (event: Stroke) => boolean;
}

/** What of an event decides. */
export type Stroke = Pick<
  KeyboardEvent,
  'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey' | 'target'
>;

export function isOn(key: Key, event: Omit<Stroke, 'target'>): boolean {
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey || control !== (key.held === 'Ctrl')) return false;
  return (key.held !== 'Shift' || event.shiftKey) && key.on.includes(event.key);
}

/** The name of the entry that a key belongs to; null: none. */
export function pressed<Name extends string>(
  keys: Readonly<Record<Name, Key>>,
  event: Omit<Stroke, 'target'>,
): Name | null {
  return (Object.keys(keys) as Name[]).find((name) => isOn(keys[name], event)) ?? null;
}

/** Lets the first entry that does something act; false: none did. */
export function dispatch(keys: readonly Key[], event: Stroke): boolean {
  return keys.some((key) => key.act !== undefined && isOn(key, event) && key.act(event));
}

/** What is typed into belongs to the field. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'button'].includes(target.type);
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    target.isContentEditable
  );
}

export function isControl(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest('button, a, summary, [role="option"], [role="switch"], input') !== null
  );
}
