/** A drawing of `draw/` in an element that React renders empty: what it shows comes in, what a person does goes out. */
import { useLayoutEffect, useRef, type RefObject } from 'react';

/**
 * `make` draws into the element until the drawing is destroyed; it must be the same at each rendering.
 * `events` are functions by name; the drawing always calls those of the last rendering.
 */
export function useDrawing<Events extends object, Drawing extends { destroy: () => void }>(
  make: (box: HTMLElement, events: Events) => Drawing,
  events: Events,
): [box: RefObject<HTMLDivElement | null>, drawing: RefObject<Drawing | null>] {
  const box = useRef<HTMLDivElement>(null);
  const drawing = useRef<Drawing | null>(null);
  const latest = useRef(events);
  useLayoutEffect(() => {
    latest.current = events;
  });
  useLayoutEffect(() => {
    if (!box.current) return;
    const made = make(box.current, passedOn(latest));
    drawing.current = made;
    return () => {
      made.destroy();
      drawing.current = null;
    };
  }, [make]);
  return [box, drawing];
}

type Tell = (...told: unknown[]) => void;

function passedOn<Events extends object>(latest: RefObject<Events>): Events {
  const calls = Object.keys(latest.current).map((name) => [
    name,
    (...told: unknown[]) => (latest.current as Record<string, Tell>)[name]?.(...told),
  ]);
  return Object.fromEntries(calls) as Events;
}
