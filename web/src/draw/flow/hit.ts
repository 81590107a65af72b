/** What lies under a point of the drawing, and what lies beside a node. */
import { isShown, type FlowSideData } from './data';
import { down, toDrawing, type Camera, type Point } from './camera';
import type { Box, Layout, Ribbon } from './layout';
import { heightAt } from './ribbon';
import { isBand } from './scale';

/** px around a thin ribbon, so that it can be met at all. */
const SLACK = 3;

export interface HitInput {
  side: FlowSideData;
  layout: Layout;
  camera: Camera;
  hidden: ReadonlySet<string>;
}

/** The id of the node or link at a point of the window; boxes lie over ribbons, thin ones over thick ones. */
export function hitAt({ side, layout, camera, hidden }: HitInput, at: Point): string | null {
  const point = toDrawing(camera, at);
  for (const box of [...layout.boxes.values()].toReversed())
    if (contains(box, point) && isShown(side, box.node, hidden)) return box.node.id;
  const slack = SLACK / down(camera);
  let best: { id: string; order: number } | null = null;
  for (const ribbon of layout.ribbons.values()) {
    const order = closeness(ribbon, point, slack);
    if (order === null || (best && best.order <= order)) continue;
    if (isShown(side, ribbon.link, hidden)) best = { id: ribbon.link.id, order };
  }
  return best?.id ?? null;
}

function contains(box: Box, { x, y }: Point): boolean {
  return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
}

const BESIDE = 1e6;
const BAND = 1e9;

/** Less is nearer to the eye: thin before thick, those under the point before those beside it, bands last. */
function closeness(ribbon: Ribbon, { x, y }: Point, slack: number): number | null {
  const middle = heightAt(ribbon, x);
  if (middle === null) return null;
  const off = Math.abs(y - middle) - ribbon.thickness / 2;
  if (off > slack) return null;
  return (off > 0 ? BESIDE + off : ribbon.thickness) + (isBand(ribbon.link) ? BAND : 0);
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** Where an arrow key leads: along the widest link, or to the next box of the column. */
export function neighbour(
  { side, layout, hidden }: Omit<HitInput, 'camera'>,
  id: string,
  direction: Direction,
): string | null {
  const box = layout.boxes.get(id);
  if (!box) return null;
  if (direction === 'up' || direction === 'down') {
    const sign = direction === 'down' ? 1 : -1;
    const column = [...layout.boxes.values()].filter(
      (one) =>
        one.node.column === box.node.column &&
        isShown(side, one.node, hidden) &&
        sign * (one.y - box.y) > 0,
    );
    return column.toSorted((a, b) => sign * (a.y - b.y))[0]?.node.id ?? null;
  }
  return along(side, hidden, id, direction);
}

function along(
  side: FlowSideData,
  hidden: ReadonlySet<string>,
  id: string,
  direction: 'left' | 'right',
): string | null {
  const links = (direction === 'right' ? side.from : side.into).get(id) ?? [];
  const shown = links.filter((link) => isShown(side, link, hidden));
  // Bands lead past all there is to see: only where nothing else leads on.
  const widest = shown.toSorted(
    (a, b) => Number(isBand(a)) - Number(isBand(b)) || b.width - a.width,
  )[0];
  if (!widest) return null;
  return direction === 'right' ? widest.target : widest.source;
}
