/**
 * What the pointer does on the flow graph: shows and opens what is under it, drags nodes and the ground,
 * zooms with the wheel and with two fingers.
 */
import {
  useEffect,
  useRef,
  useState,
  type MouseEvent,
  type PointerEvent,
  type RefObject,
} from 'react';
import { down, type Point } from '../../draw/flow/camera';
import { isTyping, pressed } from '../../shared/keys';
import { POINTED_KEYS } from './flowKeys';
import type { Viewport } from './useFlowStage';

/** px that a press may tremble. */
const SLACK = 4;
const MOST_PER_EVENT = 60;
const PER_PIXEL = 0.0045;
const PER_LINE = 16;

export interface FlowGestures {
  /** What is at a point of the canvas. */
  hit: (at: Point) => string | null;
  isNode: (id: string) => boolean;
  hover: (id: string | null, at: Point | null) => void;
  click: (id: string | null) => void;
  doubleClick: (id: string | null) => void;
  menu: (id: string | null, at: Point) => void;
  /** x, while the pointer is on something. */
  cut: (id: string) => void;
  /** In units of drawing. */
  drag: (id: string, dx: number, dy: number) => void;
}

interface Press {
  pressed: Map<number, Point>;
  moved: boolean;
  /** The node that is dragged; null: the ground. */
  node: string | null;
}

type Pointer = PointerEvent<HTMLElement>;

interface FlowPointer {
  /** What the cursor should look like. */
  state: 'ground' | 'item' | 'dragging';
  handlers: {
    onPointerDown: (event: Pointer) => void;
    onPointerMove: (event: Pointer) => void;
    onPointerUp: (event: Pointer) => void;
    onPointerCancel: (event: Pointer) => void;
    onPointerLeave: () => void;
    onDoubleClick: (event: MouseEvent<HTMLElement>) => void;
    onContextMenu: (event: MouseEvent<HTMLElement>) => void;
  };
}

export function useFlowPointer(
  box: RefObject<HTMLElement | null>,
  viewport: Viewport,
  gestures: FlowGestures,
): FlowPointer {
  const press = useRef<Press>({ pressed: new Map(), moved: false, node: null });
  const hovered = useRef<string | null>(null);
  const last = useRef<Point | null>(null);
  const [state, setState] = useState<FlowPointer['state']>('ground');
  useFlowWheel(box, viewport);
  useCutKey(hovered, gestures.cut);
  const hover = (id: string | null, at: Point | null) => {
    if (hovered.current === id) return;
    hovered.current = id;
    last.current = at;
    viewport.point({ hover: id });
    gestures.hover(id, at);
    setState(id === null ? 'ground' : 'item');
  };
  const { hover: tell } = gestures;
  useEffect(() => {
    // Other numbers of what is still pointed at: an edit was made, or the other run is shown.
    if (hovered.current !== null) tell(hovered.current, last.current);
  }, [tell]);
  const release = (event: Pointer) => {
    const { current } = press;
    current.pressed.delete(event.pointerId);
    if (current.pressed.size === 0) setState(hovered.current === null ? 'ground' : 'item');
  };
  return {
    state,
    handlers: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        const { current } = press;
        const id = gestures.hit(local(event));
        if (current.pressed.size === 0) {
          current.moved = false;
          current.node = id !== null && gestures.isNode(id) ? id : null;
        }
        current.pressed.set(event.pointerId, local(event));
      },
      onPointerMove: (event) => {
        const { current } = press;
        // The release may have happened outside, where nobody heard it.
        if (event.buttons === 0) release(event);
        const from = current.pressed.get(event.pointerId);
        const to = local(event);
        if (!from) return hover(gestures.hit(to), client(event));
        if (!current.moved && distance(from, to) < SLACK) return;
        if (!current.moved) {
          current.moved = true;
          event.currentTarget.setPointerCapture(event.pointerId);
          hover(null, null);
          setState('dragging');
        }
        dragged(current, event.pointerId, from, to, viewport, gestures);
        current.pressed.set(event.pointerId, to);
      },
      onPointerUp: (event) => {
        const clicked = press.current.pressed.has(event.pointerId) && !press.current.moved;
        release(event);
        if (!clicked) return;
        hover(null, null);
        gestures.click(gestures.hit(local(event)));
      },
      onPointerCancel: release,
      onPointerLeave: () => hover(null, null),
      onDoubleClick: (event) => gestures.doubleClick(gestures.hit(local(event))),
      onContextMenu: (event) => {
        event.preventDefault();
        gestures.menu(gestures.hit(local(event)), client(event));
      },
    },
  };
}

function dragged(
  press: Press,
  pointer: number,
  from: Point,
  to: Point,
  viewport: Viewport,
  gestures: FlowGestures,
): void {
  const other = [...press.pressed].find(([id]) => id !== pointer)?.[1];
  if (other) {
    const middle = { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 };
    viewport.zoom(distance(to, other) / Math.max(1, distance(from, other)), middle);
  } else if (press.node !== null) {
    const camera = viewport.camera();
    gestures.drag(press.node, (to.x - from.x) / camera.zoom, (to.y - from.y) / down(camera));
  } else viewport.pan(to.x - from.x, to.y - from.y);
}

/** Before the page's own keys: what is pointed at is meant, wherever the keyboard is. */
function useCutKey(hovered: RefObject<string | null>, cut: (id: string) => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (pressed(POINTED_KEYS, event) === null || hovered.current === null) return;
      if (document.querySelector('dialog[open]') || isTyping(event.target)) return;
      event.preventDefault();
      event.stopPropagation();
      cut(hovered.current);
    };
    addEventListener('keydown', onKeyDown, true);
    return () => removeEventListener('keydown', onKeyDown, true);
  }, [hovered, cut]);
}

function useFlowWheel(box: RefObject<HTMLElement | null>, viewport: Viewport): void {
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? PER_LINE : 1;
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (sideways) return viewport.pan(-unit * (event.deltaX || event.deltaY), 0);
      const turned = Math.max(-MOST_PER_EVENT, Math.min(MOST_PER_EVENT, unit * event.deltaY));
      // A pinch of a track pad comes as Ctrl and small steps.
      const speed = event.ctrlKey ? 2 * PER_PIXEL : PER_PIXEL;
      viewport.zoom(Math.exp(-turned * speed), within(element, event));
    };
    // React's own listener is passive, and could not keep the page from scrolling.
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [box, viewport]);
}

function local(event: Pointer | MouseEvent<HTMLElement>): Point {
  return within(event.currentTarget, event);
}

function within(element: Element, event: { clientX: number; clientY: number }): Point {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function client(event: { clientX: number; clientY: number }): Point {
  return { x: event.clientX, y: event.clientY };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
