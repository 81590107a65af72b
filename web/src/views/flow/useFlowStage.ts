/** The camera and the two canvases of the flow graph. Moving draws without rendering the page. */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, type RefObject } from 'react';
import {
  fitCamera,
  pan,
  reveal,
  zoomAt,
  zoomStep,
  type Camera,
  type Point,
  type Size,
} from '../../draw/flow/camera';
import type { Box } from '../../draw/flow/layout';
import type { Places } from '../../draw/flow/places';
import type { Scene } from '../../draw/flow/scene';
import { flowStyle } from '../../draw/flow/viewport';
import { FlowStage, type Pointed } from '../../draw/flow/stage';

/** After this long without a move the picture is drawn sharp. */
const REST_MS = 110;
/** Of the zoom at which all fits. */
const FARTHEST = 0.7;

export interface Viewport {
  camera: () => Camera;
  size: () => Size;
  pan: (dx: number, dy: number) => void;
  zoom: (factor: number, at: Point) => void;
  /** Around a point of the window, else around its middle. */
  step: (step: 1 | -1, at: Point | null) => void;
  fit: () => void;
  /** The camera no longer follows the size of the window. */
  hold: () => void;
  /** Shows what a change of the camera gives. */
  move: (change: (camera: Camera, size: Size) => Camera) => void;
  point: (pointed: Partial<Pointed>) => void;
}

interface Held {
  stage: FlowStage | null;
  camera: Camera;
  size: Size;
  pointed: Pointed;
  /** The person has not moved it: it follows the size of the window. */
  fitted: boolean;
  frame: number;
  rest: ReturnType<typeof setTimeout> | undefined;
}

const START: Camera = { zoom: 1, stretch: 1, ratio: 1, x: 0, y: 0 };

export function useFlowStage(
  box: RefObject<HTMLElement | null>,
  canvas: RefObject<HTMLCanvasElement | null>,
  overlay: RefObject<HTMLCanvasElement | null>,
  scene: Scene,
  focus: string | null,
): Viewport {
  const held = useRef<Held>({
    stage: null,
    camera: START,
    size: { width: 0, height: 0 },
    pointed: { hover: null, cursor: null },
    fitted: true,
    frame: 0,
    rest: undefined,
  });
  const places = useRef<Places>(scene.places);
  const viewport = useViewport(held, places);
  useLayoutEffect(() => {
    const { current } = places;
    places.current = scene.places;
    if (!alike(current, scene.places)) viewport.fit();
    else if (held.current.fitted && !nearly(current.height, scene.places.height)) viewport.fit();
  }, [scene.places, viewport]);
  useLayoutEffect(() => {
    if (!box.current || !canvas.current || !overlay.current) return;
    held.current.stage ??= new FlowStage(canvas.current, overlay.current);
    held.current.stage.setScene(scene, flowStyle(box.current));
    draw(held.current, false);
  }, [box, canvas, overlay, scene]);
  const keep = useRef<Box | undefined>(undefined);
  useLayoutEffect(() => {
    keep.current = focus === null ? undefined : scene.layout.boxes.get(focus);
  }, [scene, focus]);
  useSize(box, held, viewport, keep);
  return viewport;
}

function useViewport(held: RefObject<Held>, places: RefObject<Places>): Viewport {
  const move = useCallback(
    (change: (camera: Camera, size: Size) => Camera) => {
      const { current } = held;
      current.camera = change(current.camera, current.size);
      current.fitted = false;
      draw(current, true);
      clearTimeout(current.rest);
      current.rest = setTimeout(() => draw(current, false), REST_MS);
    },
    [held],
  );
  return useMemo(() => {
    const least = () => FARTHEST * fitCamera(places.current, held.current.size).zoom;
    return {
      camera: () => held.current.camera,
      size: () => held.current.size,
      move,
      pan: (dx, dy) => move((camera, size) => pan(camera, dx, dy, places.current, size)),
      zoom: (factor, at) => move((camera) => zoomAt(camera, factor, at, least())),
      step: (step, at) => move((camera, size) => zoomStep(camera, step, size, least(), at)),
      fit: () => {
        held.current.camera = fitCamera(places.current, held.current.size);
        held.current.fitted = true;
        draw(held.current, false);
      },
      hold: () => {
        held.current.fitted = false;
      },
      point: (pointed) => {
        Object.assign(held.current.pointed, pointed);
        draw(held.current, true);
      },
    };
  }, [held, places, move]);
}

/** Once per frame, whatever changed in it. */
function draw(held: Held, moving: boolean): void {
  cancelAnimationFrame(held.frame);
  held.frame = requestAnimationFrame(() => {
    const { stage, camera, size, pointed } = held;
    stage?.draw(camera, size, devicePixelRatio, moving);
    stage?.drawOverlay(camera, size, devicePixelRatio, pointed);
  });
}

function useSize(
  box: RefObject<HTMLElement | null>,
  held: RefObject<Held>,
  viewport: Viewport,
  keep: RefObject<Box | undefined>,
): void {
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const { current } = held;
    const observer = new ResizeObserver(() => {
      current.size = { width: element.clientWidth, height: element.clientHeight };
      if (current.fitted) return viewport.fit();
      if (keep.current) current.camera = reveal(current.camera, keep.current, current.size);
      draw(current, false);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      clearTimeout(current.rest);
      cancelAnimationFrame(current.frame);
    };
  }, [box, held, viewport, keep]);
}

/** The same layers: the camera may stay. */
function alike(before: Places, after: Places): boolean {
  const names = (places: Places) => places.layers.map(({ layer }) => layer).join();
  return names(before) === names(after) && before.columns.length === after.columns.length;
}

/** An edit makes boxes somewhat higher or lower: no reason to show all of them another way. */
function nearly(before: number, after: number): boolean {
  return Math.abs(after - before) < 0.15 * before;
}
