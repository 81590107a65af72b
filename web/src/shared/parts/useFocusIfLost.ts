/** What stands in place of a button that was pressed gets the keyboard, which else is lost with it. */
import { useEffect, useRef, type RefObject } from 'react';

/** Focuses an element when `now` is, or becomes, true, unless another one has the keyboard. */
export function useFocusIfLost<T extends HTMLElement>(now = true): RefObject<T | null> {
  const place = useRef<T>(null);
  useEffect(() => {
    if (now && document.activeElement === document.body)
      place.current?.focus({ preventScroll: true });
  }, [now]);
  return place;
}
