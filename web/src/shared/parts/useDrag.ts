/** Dragging and pinching the grid. A press that does not move is a click, and stays one. */
import { useRef, useState, type PointerEvent, type RefObject } from 'react';
import { dropPeek } from '../state/peek';
import { zoomBy } from '../state/zoom';

/** px that a press may tremble. */
const SLACK = 4;

interface Pressed {
  x: number;
  y: number;
}

interface Drag {
  dragging: boolean;
  handlers: {
    onPointerDown: (event: PointerEvent<HTMLElement>) => void;
    onPointerMove: (event: PointerEvent<HTMLElement>) => void;
    onPointerUp: (event: PointerEvent<HTMLElement>) => void;
    onPointerCancel: (event: PointerEvent<HTMLElement>) => void;
  };
}

/** `click` gets presses that did not move. */
export function useDrag(
  scroller: RefObject<HTMLElement | null>,
  click: (event: PointerEvent<HTMLElement>) => void,
): Drag {
  const pressed = useRef(new Map<number, Pressed>());
  const moved = useRef(false);
  const [dragging, setDragging] = useState(false);
  const release = (event: PointerEvent<HTMLElement>) => {
    pressed.current.delete(event.pointerId);
    if (pressed.current.size === 0) setDragging(false);
  };
  return {
    dragging,
    handlers: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        if (pressed.current.size === 0) moved.current = false;
        pressed.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
      },
      onPointerMove: (event) => {
        // The release may have happened outside, where nobody heard it.
        if (event.buttons === 0) release(event);
        const from = pressed.current.get(event.pointerId);
        if (!from) return;
        const to = { x: event.clientX, y: event.clientY };
        if (!moved.current && distance(from, to) < SLACK) return;
        if (!moved.current) {
          moved.current = true;
          setDragging(true);
          dropPeek();
          event.currentTarget.setPointerCapture(event.pointerId);
        }
        const other = [...pressed.current].find(([id]) => id !== event.pointerId)?.[1];
        if (other) pinch(event.currentTarget, from, to, other);
        else scroller.current?.scrollBy(from.x - to.x, from.y - to.y);
        pressed.current.set(event.pointerId, to);
      },
      onPointerUp: (event) => {
        const clicked = pressed.current.has(event.pointerId) && !moved.current;
        release(event);
        if (clicked) click(event);
      },
      onPointerCancel: release,
    },
  };
}

function distance(one: Pressed, other: Pressed): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function pinch(element: HTMLElement, from: Pressed, to: Pressed, still: Pressed): void {
  const box = element.getBoundingClientRect();
  zoomBy(distance(to, still) / Math.max(1, distance(from, still)), {
    x: (to.x + still.x) / 2 - box.left,
    y: (to.y + still.y) / 2 - box.top,
  });
}
