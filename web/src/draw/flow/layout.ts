/** One run's boxes and ribbons in the places of the graph. Pure numbers, in units of drawing. */
import type { FlowLink, FlowNode, FlowSideData } from './data';
import { BOX_WIDTH, boxHeight, type Places, type Slot } from './places';
import { isBand, thickness } from './scale';

export interface Box {
  node: FlowNode;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A band of even thickness; y is its middle at either end. */
export interface Ribbon {
  link: FlowLink;
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  thickness: number;
}

export interface Layout {
  boxes: ReadonlyMap<string, Box>;
  ribbons: ReadonlyMap<string, Ribbon>;
}

/** How far a person has moved nodes. */
export type Moves = ReadonlyMap<string, { dx: number; dy: number }>;

export const UNMOVED: Moves = new Map();

export function layOut(places: Places, side: FlowSideData, moves: Moves = UNMOVED): Layout {
  const boxes = new Map<string, Box>();
  for (const node of side.nodes) {
    const slot = places.slots.get(node.id);
    if (slot) boxes.set(node.id, boxIn(slot, node, boxHeight(side, node.id, places.scales), moves));
  }
  return { boxes, ribbons: ribbonsOf(places, side, boxes) };
}

function boxIn(slot: Slot, node: FlowNode, height: number, moves: Moves): Box {
  const move = moves.get(node.id);
  const indent = slot.align === 'top' ? 0 : (slot.height - height) / 2;
  return {
    node,
    x: slot.x + (move?.dx ?? 0),
    y: slot.y + indent + (move?.dy ?? 0),
    width: BOX_WIDTH,
    height,
  };
}

type Boxes = ReadonlyMap<string, Box>;

function ribbonsOf(places: Places, side: FlowSideData, boxes: Boxes): Map<string, Ribbon> {
  const starts = portsOf(places, side.from, boxes, (link) => boxes.get(link.target));
  const ends = portsOf(places, side.into, boxes, (link) => boxes.get(link.source));
  const ribbons = new Map<string, Ribbon>();
  for (const link of side.links) {
    const from = boxes.get(link.source);
    const to = boxes.get(link.target);
    if (!from || !to) continue;
    ribbons.set(link.id, {
      link,
      x0: from.x + from.width,
      y0: starts.get(link.id) ?? from.y,
      x1: to.x,
      y1: ends.get(link.id) ?? to.y,
      thickness: thickness(link, places.scales),
    });
  }
  return ribbons;
}

/** Where links meet their box: bands first, then in the order of their other ends, so that few cross. */
function portsOf(
  places: Places,
  links: ReadonlyMap<string, FlowLink[]>,
  boxes: Boxes,
  other: (link: FlowLink) => Box | undefined,
): Map<string, number> {
  const ports = new Map<string, number>();
  for (const [id, list] of links) {
    const box = boxes.get(id);
    if (!box) continue;
    const order = list.toSorted((a, b) => middle(a, other) - middle(b, other));
    const sizes = order.map((link) => thickness(link, places.scales));
    const used = sizes.reduce((sum, size) => sum + size, 0);
    const hangs = places.slots.get(id)?.align === 'top';
    let y = box.y + (hangs ? 0 : (box.height - used) / 2);
    for (const [at, link] of order.entries()) {
      const size = sizes[at] ?? 0;
      ports.set(link.id, y + size / 2);
      y += size;
    }
  }
  return ports;
}

function middle(link: FlowLink, other: (link: FlowLink) => Box | undefined): number {
  if (isBand(link)) return Number.NEGATIVE_INFINITY;
  const box = other(link);
  return box ? box.y + box.height / 2 : 0;
}
