/** The keyboard on the flow graph: a cursor that goes from node to node, and what keys do with its node. */
import { useState, type FocusEvent, type KeyboardEvent, type RefObject } from 'react';
import { boxOnScreen, reveal, type Point } from '../../draw/flow/camera';
import { neighbour, type Direction } from '../../draw/flow/hit';
import type { Scene } from '../../draw/flow/scene';
import type { FlowCanvasProps } from './FlowCanvas';
import type { Viewport } from './useFlowStage';

interface Stage {
  box: RefObject<HTMLElement | null>;
  viewport: Viewport;
  scene: Scene;
  props: Pick<FlowCanvasProps, 'focus' | 'onHover' | 'onFocus' | 'onOpen' | 'onCut' | 'onMenu'>;
}

interface FlowKeys {
  /** The node that the keyboard is on. */
  cursor: string | null;
  /** Goes on from what was clicked. */
  place: (id: string | null) => void;
  handlers: {
    onKeyDown: (event: KeyboardEvent<HTMLElement>) => void;
    onFocus: () => void;
    onBlur: (event: FocusEvent<HTMLElement>) => void;
  };
}

export function useFlowKeys(stage: Stage): FlowKeys {
  const { viewport, scene, props } = stage;
  const [cursor, setCursor] = useState<string | null>(null);
  const put = (id: string | null) => {
    setCursor(id);
    viewport.point({ cursor: id });
  };
  const go = (id: string | null) => {
    put(id);
    const place = id === null ? undefined : scene.layout.boxes.get(id);
    if (place) viewport.move((camera, size) => reveal(camera, place, size));
    props.onHover(id, id === null ? null : beside(stage, id));
  };
  return {
    cursor,
    place: (id) => put(id !== null && scene.side.nodeOf.has(id) ? id : null),
    handlers: {
      onKeyDown: (event) => {
        if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
        const chosen = cursor ?? props.focus;
        const direction = ARROWS[event.key];
        if (direction) go(next(scene, chosen, direction) ?? cursor);
        else if (!zoomed(event.key, stage, chosen) && !acted(event.key, stage, chosen, go)) return;
        event.preventDefault();
      },
      onFocus: () => viewport.point({ cursor }),
      onBlur: (event) => {
        if (event.currentTarget.contains(event.relatedTarget)) return;
        viewport.point({ cursor: null });
        props.onHover(null, null);
      },
    },
  };
}

const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};

/** The first arrow goes to the first node, or on from what is in focus. */
function next(scene: Scene, from: string | null, direction: Direction): string | null {
  const { side, layout, hidden } = scene;
  if (from === null || !side.nodeOf.has(from)) return side.nodes[0]?.id ?? null;
  return neighbour({ side, layout, hidden }, from, direction);
}

function zoomed(key: string, stage: Stage, chosen: string | null): boolean {
  const { viewport } = stage;
  if (key === '0') viewport.fit();
  else if (key === '+' || key === '=') viewport.step(1, middle(stage, chosen));
  else if (key === '-') viewport.step(-1, middle(stage, chosen));
  else return false;
  return true;
}

function acted(
  key: string,
  stage: Stage,
  chosen: string | null,
  go: (id: string | null) => void,
): boolean {
  const { props } = stage;
  if (chosen === null) return false;
  switch (key) {
    case 'Enter':
      props.onFocus(chosen);
      props.onOpen(chosen);
      return true;
    case 'x':
      props.onCut(chosen);
      return true;
    case 'ContextMenu':
      props.onMenu(chosen, beside(stage, chosen));
      return true;
    case 'Escape':
      props.onFocus(null);
      go(null);
      return true;
    default:
      return false;
  }
}

/** Of a node, in px of the window; null where there is none. */
function middle({ scene, viewport }: Stage, id: string | null): Point | null {
  const place = id === null ? undefined : scene.layout.boxes.get(id);
  if (!place) return null;
  const { x, y, width, height } = boxOnScreen(viewport.camera(), place);
  return { x: x + width / 2, y: y + height / 2 };
}

/** The right edge of a node, in px of the page. */
function beside({ box, scene, viewport }: Stage, id: string): Point {
  const page = box.current?.getBoundingClientRect() ?? { left: 0, top: 0 };
  const place = scene.layout.boxes.get(id);
  if (!place) return { x: page.left, y: page.top };
  const seen = boxOnScreen(viewport.camera(), place);
  return { x: page.left + seen.x + seen.width, y: page.top + seen.y + seen.height / 2 };
}
