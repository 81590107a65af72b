/** The curve of a ribbon: level at both ends, the same for canvas, saved picture and pointer. */
import type { Ribbon } from './layout';

/** What a canvas, a Path2D and an SVG path have in common. */
export interface Pen {
  moveTo: (x: number, y: number) => void;
  lineTo: (x: number, y: number) => void;
  bezierCurveTo: (ax: number, ay: number, bx: number, by: number, x: number, y: number) => void;
  closePath: () => void;
}

export function traceBand(pen: Pen, { x0, y0, x1, y1, thickness }: Ribbon): void {
  const half = thickness / 2;
  const middle = (x0 + x1) / 2;
  pen.moveTo(x0, y0 - half);
  pen.bezierCurveTo(middle, y0 - half, middle, y1 - half, x1, y1 - half);
  pen.lineTo(x1, y1 + half);
  pen.bezierCurveTo(middle, y1 + half, middle, y0 + half, x0, y0 + half);
  pen.closePath();
}

export function traceMiddle(pen: Pen, { x0, y0, x1, y1 }: Ribbon): void {
  const middle = (x0 + x1) / 2;
  pen.moveTo(x0, y0);
  pen.bezierCurveTo(middle, y0, middle, y1, x1, y1);
}

const STEPS = 24;

/** Height of the middle line at an x between the ends; null beside them. */
export function heightAt({ x0, y0, x1, y1 }: Ribbon, x: number): number | null {
  if (x < Math.min(x0, x1) || x > Math.max(x0, x1)) return null;
  const share = x1 === x0 ? 0 : (x - x0) / (x1 - x0);
  let [low, high] = [0, 1];
  for (let step = 0; step < STEPS; step++) {
    const t = (low + high) / 2;
    // Across, the curve's two inner points lie in the middle.
    if (t ** 3 + 1.5 * t * (1 - t) < share) low = t;
    else high = t;
  }
  const t = (low + high) / 2;
  return y0 + (y1 - y0) * t * t * (3 - 2 * t);
}
