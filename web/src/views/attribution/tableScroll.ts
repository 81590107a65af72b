/** What of the table is in sight, and which of its rows has the focus. */
import { useLayoutEffect, useRef, useState, type RefObject, type UIEvent } from 'react';

/** Height of a row, px. */
export const ROW = 26;

export type MoveTo = (at: number, focus?: boolean) => void;

/** The row that Tab reaches: moved by keys, brought into sight, given the focus. */
export function useActive(place: RefObject<HTMLElement | null>, length: number): [number, MoveTo] {
  const [active, setActive] = useState(0);
  const wanted = useRef(-1);
  const at = Math.max(0, Math.min(active, length - 1));
  const moveTo: MoveTo = (to, focus = true) => {
    const next = Math.max(0, Math.min(length - 1, to));
    setActive(next);
    if (!focus || !place.current) return;
    wanted.current = next;
    const top = next * ROW;
    const box = place.current;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + 2 * ROW > box.scrollTop + box.clientHeight)
      box.scrollTop = top + 2 * ROW - box.clientHeight;
  };
  // A row that was out of sight is in the page only after the scroll was drawn.
  // oxlint-disable-next-line react/exhaustive-deps
  useLayoutEffect(() => {
    if (wanted.current < 0) return;
    const found = place.current?.querySelector<HTMLElement>(
      `[data-row="${wanted.current}"] .attribution-name`,
    );
    if (!found) return;
    wanted.current = -1;
    found.focus({ preventScroll: true });
  });
  return [at, moveTo];
}

export function useScroll(place: RefObject<HTMLElement | null>) {
  const [scroll, setScroll] = useState(0);
  const [height, setHeight] = useState(400);
  useLayoutEffect(() => {
    const box = place.current;
    if (!box) return;
    const observer = new ResizeObserver(() => setHeight(box.clientHeight));
    observer.observe(box);
    return () => observer.disconnect();
  }, [place]);
  return {
    scroll,
    height,
    onScroll: (event: UIEvent<HTMLElement>) => setScroll(event.currentTarget.scrollTop),
  };
}
