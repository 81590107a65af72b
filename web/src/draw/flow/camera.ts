/** What part of a flow graph the window shows. Pure numbers; x and y are px of the window. */
import type { Box, Ribbon } from './layout';
import type { Places } from './places';

export interface Camera {
  /** px for one unit of drawing, across. */
  zoom: number;
  /** Least px for one unit, down: a long graph that fits the width still fills the height. */
  stretch: number;
  /** Of the zoom, down: below 1 where the whole graph would be higher than the window. */
  ratio: number;
  /** Where the drawing's origin is. */
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Above the drawing: names of layers and columns. */
export const HEADER = 38;
const MARGIN = 10;
const CLOSEST = 3;
const FITTING = 1.15;
/** A line of text is still one, or, where boxes are too narrow for any, a box. */
const LOWEST = 0.54;
const LOWEST_BOX = 0.32;
const NARROW = 0.4;
const STEP = 1.3;

export function down(camera: Camera): number {
  return Math.max(camera.zoom * camera.ratio, camera.stretch);
}

/** The whole width of the graph, and its whole height as far as its lines can be read then. */
export function fitCamera(places: Places, size: Size): Camera {
  const across = (size.width - 2 * MARGIN) / Math.max(1, places.width);
  const room = size.height - HEADER - 2 * MARGIN;
  const zoom = Math.max(0.01, Math.min(FITTING, across));
  const lowest = zoom < NARROW ? LOWEST_BOX : LOWEST;
  const stretch = Math.max(lowest, Math.min(1, room / Math.max(1, places.height)));
  const camera = { zoom, stretch, ratio: Math.min(1, stretch / zoom), x: 0, y: 0 };
  const spare = Math.max(0, room - places.height * down(camera));
  return {
    ...camera,
    x: (size.width - places.width * zoom) / 2,
    y: HEADER + MARGIN + spare / 2,
  };
}

/** Wider by a factor, with what lies at a point kept under it. */
export function zoomAt(camera: Camera, factor: number, at: Point, least: number): Camera {
  const zoom = Math.max(least, Math.min(CLOSEST, camera.zoom * factor));
  const next = { ...camera, zoom };
  const place = toDrawing(camera, at);
  return { ...next, x: at.x - place.x * zoom, y: at.y - place.y * down(next) };
}

/** Around a point, else around the middle of the window. */
export function zoomStep(
  camera: Camera,
  step: 1 | -1,
  size: Size,
  least: number,
  at: Point | null = null,
): Camera {
  const middle = { x: size.width / 2, y: HEADER + (size.height - HEADER) / 2 };
  return zoomAt(camera, step > 0 ? STEP : 1 / STEP, at ?? middle, least);
}

/** Moved, but never so far that less than a quarter of the window shows the graph. */
export function pan(camera: Camera, dx: number, dy: number, places: Places, size: Size): Camera {
  const hold = (start: number, length: number, room: number) =>
    Math.max(Math.min(room / 4, room - 40) - length, Math.min((room * 3) / 4, start));
  return {
    ...camera,
    x: hold(camera.x + dx, places.width * camera.zoom, size.width),
    y: hold(camera.y + dy, places.height * down(camera), size.height),
  };
}

/** Moved as little as shows a box. */
export function reveal(camera: Camera, box: Box, size: Size): Camera {
  const left = box.x * camera.zoom + camera.x;
  const top = box.y * down(camera) + camera.y;
  const shift = (start: number, length: number, low: number, high: number) => {
    if (start < low) return low - start;
    return start + length > high ? Math.max(low - start, high - start - length) : 0;
  };
  return {
    ...camera,
    x: camera.x + shift(left, box.width * camera.zoom, MARGIN, size.width - MARGIN),
    y: camera.y + shift(top, box.height * down(camera), HEADER + 4, size.height - MARGIN),
  };
}

export function toDrawing(camera: Camera, at: Point): Point {
  return { x: (at.x - camera.x) / camera.zoom, y: (at.y - camera.y) / down(camera) };
}

/** A box in px of the window. */
export function boxOnScreen(camera: Camera, box: Box): Box {
  return {
    node: box.node,
    x: box.x * camera.zoom + camera.x,
    y: box.y * down(camera) + camera.y,
    width: box.width * camera.zoom,
    height: box.height * down(camera),
  };
}

export function ribbonOnScreen(camera: Camera, ribbon: Ribbon): Ribbon {
  const scale = down(camera);
  return {
    link: ribbon.link,
    x0: ribbon.x0 * camera.zoom + camera.x,
    x1: ribbon.x1 * camera.zoom + camera.x,
    y0: ribbon.y0 * scale + camera.y,
    y1: ribbon.y1 * scale + camera.y,
    thickness: ribbon.thickness * scale,
  };
}
