/** Pressing, dragging and pinching with a pointer. A press that does not move is a click, and stays one. */

export interface Point {
  x: number;
  y: number;
}

export interface PressEvents {
  /** A press that did not move; at a point of the element. */
  click: (at: Point) => void;
  /** The first press of a drag, before it has moved. */
  press?: (at: Point) => void;
  /** One pointer has moved from one point of the element to another. */
  drag: (from: Point, to: Point) => void;
  /** Two pointers have come nearer or gone apart, around a point of the element. */
  pinch: (factor: number, at: Point) => void;
  /** With nothing pressed; null: the pointer has left, or a drag begins. */
  hover: (at: Point | null) => void;
  /** A drag begins or ends. */
  dragging: (on: boolean) => void;
}

/** px that a press may tremble. */
const SLACK = 4;

/** Listens to an element until it is stopped. */
export function watchPresses(element: HTMLElement, events: PressEvents): () => void {
  const pressed = new Map<number, Point>();
  let moved = false;
  const at = (event: MouseEvent) => within(element, event);
  const release = (event: PointerEvent) => {
    pressed.delete(event.pointerId);
    if (pressed.size === 0 && moved) events.dragging(false);
  };
  const listeners = {
    pointerdown: (event: PointerEvent) => {
      if (event.button !== 0) return;
      if (pressed.size === 0) {
        moved = false;
        events.press?.(at(event));
      }
      pressed.set(event.pointerId, at(event));
    },
    pointermove: (event: PointerEvent) => {
      // The release may have happened outside, where nobody heard it.
      if (event.buttons === 0) release(event);
      const from = pressed.get(event.pointerId);
      const to = at(event);
      if (!from) return events.hover(to);
      if (!moved && distance(from, to) < SLACK) return;
      if (!moved) {
        moved = true;
        element.setPointerCapture(event.pointerId);
        events.hover(null);
        events.dragging(true);
      }
      const other = [...pressed].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const middle = { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 };
        events.pinch(distance(to, other) / Math.max(1, distance(from, other)), middle);
      } else events.drag(from, to);
      pressed.set(event.pointerId, to);
    },
    pointerup: (event: PointerEvent) => {
      const clicked = pressed.has(event.pointerId) && !moved;
      release(event);
      if (clicked) events.click(at(event));
    },
    pointercancel: release,
    pointerleave: () => events.hover(null),
  };
  return listen(element, listeners);
}

type Listeners = {
  [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void;
};

export function listen(
  element: HTMLElement,
  listeners: Listeners,
  options: AddEventListenerOptions = {},
): () => void {
  const stop = new AbortController();
  for (const [name, listener] of Object.entries(listeners))
    element.addEventListener(name, listener as EventListener, { ...options, signal: stop.signal });
  return () => stop.abort();
}

/** A place in the page as one in an element. */
export function within(element: Element, event: { clientX: number; clientY: number }): Point {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
