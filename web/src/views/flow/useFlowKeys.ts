/** The keyboard on the flow graph: a cursor that goes from node to node, and what keys do with its node. */
import { useState, type FocusEvent, type KeyboardEvent, type RefObject } from 'react';
import { boxOnScreen, reveal, type Point } from '../../draw/flow/camera';
import { neighbour, type Direction } from '../../draw/flow/hit';
import type { Scene } from '../../draw/flow/scene';
import { pressed } from '../../shared/keys';
import { GRAPH_KEYS } from './flowKeys';
import type { FlowCanvasProps } from './flowCanvasProps';
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
        const key = event.defaultPrevented ? null : pressed(GRAPH_KEYS, event);
        if (key === null) return;
        const chosen = cursor ?? props.focus;
        const direction = ARROWS[event.key] ?? 'right';
        if (key === 'walk') go(next(scene, chosen, direction) ?? cursor);
        else if (!ACTS[key](stage, chosen, go)) return;
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

type Act = (stage: Stage, chosen: string | null, go: (id: string | null) => void) => boolean;

/** False: there is nothing to act on, and the page has its turn. */
const ACTS: Readonly<Record<Exclude<keyof typeof GRAPH_KEYS, 'walk'>, Act>> = {
  fit: ({ viewport }) => {
    viewport.fit();
    return true;
  },
  closer: (stage, chosen) => zoomed(stage, 1, chosen),
  farther: (stage, chosen) => zoomed(stage, -1, chosen),
  open: ({ props }, chosen) =>
    on(chosen, (id) => {
      props.onFocus(id);
      props.onOpen(id);
    }),
  cut: ({ props }, chosen) => on(chosen, props.onCut),
  menu: (stage, chosen) => on(chosen, (id) => stage.props.onMenu(id, beside(stage, id))),
  leave: ({ props }, chosen, go) =>
    on(chosen, () => {
      props.onFocus(null);
      go(null);
    }),
};

function zoomed(stage: Stage, step: 1 | -1, chosen: string | null): boolean {
  stage.viewport.step(step, middle(stage, chosen));
  return true;
}

function on(chosen: string | null, act: (id: string) => void): boolean {
  if (chosen !== null) act(chosen);
  return chosen !== null;
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
