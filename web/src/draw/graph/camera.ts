/** What part of an attribution graph the window shows. Pure numbers; x and y are px of the window. */
import { GUTTER, type Layout, type Place, type Size } from './layout';

export interface Camera {
  zoom: number;
  /** Where the drawing's origin is. */
  x: number;
  y: number;
}

export interface Point {
  x: number;
  y: number;
}

export const START: Camera = { zoom: 1, x: GUTTER.left, y: 0 };
const CLOSEST = 6;
/** Of the zoom at which all fits. */
const FARTHEST = 0.7;
const STEP = 1.3;

/** All of it; never larger than it was laid out. */
export function fitCamera(layout: Layout, size: Size): Camera {
  const zoom = fitting(layout, size);
  const [left, top] = [GUTTER.left, layout.flipped ? GUTTER.tokens : 0];
  const room = { width: size.width - GUTTER.left, height: size.height - GUTTER.tokens };
  return {
    zoom,
    x: left + Math.max(0, (room.width - layout.width * zoom) / 2),
    y: top + Math.max(0, (room.height - layout.height * zoom) / 2),
  };
}

function fitting(layout: Layout, size: Size): number {
  const across = (size.width - GUTTER.left) / Math.max(1, layout.width);
  const along = (size.height - GUTTER.tokens) / Math.max(1, layout.height);
  return Math.max(0.02, Math.min(1, across, along));
}

/** Closer by a factor, with what lies at a point kept under it. */
export function zoomAt(
  camera: Camera,
  factor: number,
  at: Point,
  layout: Layout,
  size: Size,
): Camera {
  const least = FARTHEST * fitting(layout, size);
  const zoom = Math.max(least, Math.min(CLOSEST, camera.zoom * factor));
  const place = toDrawing(camera, at);
  return held({ zoom, x: at.x - place.x * zoom, y: at.y - place.y * zoom }, layout, size);
}

/** Around a point of the window, else around its middle. */
export function zoomStep(
  camera: Camera,
  step: 1 | -1,
  at: Point | null,
  layout: Layout,
  size: Size,
): Camera {
  const middle = { x: size.width / 2, y: size.height / 2 };
  return zoomAt(camera, step > 0 ? STEP : 1 / STEP, at ?? middle, layout, size);
}

export function pan(camera: Camera, dx: number, dy: number, layout: Layout, size: Size): Camera {
  return held({ ...camera, x: camera.x + dx, y: camera.y + dy }, layout, size);
}

/** Never so far that less than a quarter of the window shows the graph. */
function held(camera: Camera, layout: Layout, size: Size): Camera {
  const hold = (start: number, length: number, room: number) =>
    Math.max(Math.min(room / 4, length) - length, Math.min((room * 3) / 4, start));
  return {
    ...camera,
    x: hold(camera.x, layout.width * camera.zoom, size.width),
    y: hold(camera.y, layout.height * camera.zoom, size.height),
  };
}

/** Moved as little as shows a node. */
export function reveal(camera: Camera, place: Place, layout: Layout, size: Size): Camera {
  const { x, y } = toScreen(camera, place);
  const [top, bottom] = layout.flipped ? [GUTTER.tokens, 0] : [0, GUTTER.tokens];
  const shift = (at: number, low: number, high: number) =>
    at < low ? low - at : at > high ? high - at : 0;
  return {
    ...camera,
    x: camera.x + shift(x, GUTTER.left + 20, size.width - 60),
    y: camera.y + shift(y, top + 20, size.height - bottom - 20),
  };
}

export function toDrawing(camera: Camera, at: Point): Point {
  return { x: (at.x - camera.x) / camera.zoom, y: (at.y - camera.y) / camera.zoom };
}

export function toScreen(camera: Camera, { x, y }: Point): Point {
  return { x: x * camera.zoom + camera.x, y: y * camera.zoom + camera.y };
}

/** Half a node, px of the window: nodes stay visible from afar, and do not cover all from near. */
export function radiusAt(camera: Camera, { radius }: Pick<Place, 'radius'>): number {
  return radius * Math.max(0.4, Math.min(1.4, camera.zoom));
}
