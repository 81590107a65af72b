/** How far a point is from a curve. */
import type { Point } from './press';

/** px from a point to the nearest of a curve, which is taken as so many straight stretches. */
export function distanceTo(pointAt: (share: number) => Point, at: Point, steps: number): number {
  let least = Infinity;
  let last = pointAt(0);
  for (let step = 1; step <= steps; step++) {
    const next = pointAt(step / steps);
    least = Math.min(least, toLine(last, next, at));
    last = next;
  }
  return least;
}

/** From a point to a stretch between two others. */
function toLine(from: Point, to: Point, at: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const along = ((at.x - from.x) * dx + (at.y - from.y) * dy) / Math.max(1e-9, dx * dx + dy * dy);
  const share = Math.max(0, Math.min(1, along));
  return Math.hypot(from.x + share * dx - at.x, from.y + share * dy - at.y);
}
