/** All that a drawing of the flow graph is made of, and in which order. Knows no canvas. */
import { isShown, type FlowNode, type FlowSideData } from './flow';
import type { ColourBy, FlowColours } from './flowColours';
import type { Box, Layout, Ribbon } from './flowLayout';
import type { Places } from './flowPlaces';
import { isBand } from './flowScale';
import { signed } from './format';

export interface Scene {
  side: FlowSideData;
  /** What the side is compared with. */
  other: FlowSideData | null;
  places: Places;
  layout: Layout;
  /** The other side's, drawn as outlines. */
  ghost: Layout | null;
  colours: FlowColours;
  colourBy: ColourBy;
  hidden: ReadonlySet<string>;
  /** What stands out; null: all alike. */
  lit: ReadonlySet<string> | null;
  cuts: ReadonlySet<string>;
}

/** Bands first, then thick before thin, so that nothing is buried. */
export function ribbonsInOrder(scene: Scene): Ribbon[] {
  return [...scene.layout.ribbons.values()]
    .filter((ribbon) => isShown(scene.side, ribbon.link, scene.hidden))
    .toSorted(
      (a, b) => Number(isBand(b.link)) - Number(isBand(a.link)) || b.thickness - a.thickness,
    );
}

export function shownBoxes(scene: Scene): Box[] {
  return [...scene.layout.boxes.values()].filter((box) =>
    isShown(scene.side, box.node, scene.hidden),
  );
}

export function isLit(scene: Scene, id: string): boolean {
  return scene.lit === null || scene.lit.has(id);
}

/** What a node is, in the fewest signs: "H7", "3 ␣Japan", "N1981"; "" for stations, which are alone. */
export function caption(node: FlowNode): string {
  switch (node.kind) {
    case 'query':
    case 'head':
    case 'neuron':
    case 'z_row':
      return part(node.id);
    case 'neuron_key':
      return part(node.id.replace(/\.key$/, ''));
    case 'key':
    case 'value':
      return `${node.position ?? ''} ${node.token?.label ?? ''}`.trim();
    case 'attn_bias':
    case 'mlp_in_bias':
    case 'mlp_bias':
      return 'bias';
    case 'rest':
      return 'the rest';
    default:
      return '';
  }
}

function part(id: string): string {
  return id.split('.')[1] ?? id;
}

const LEAST_CHANGE = 0.005;

export interface Change {
  /** Of the target's probability, from the other side to this one. */
  by: number;
  text: string;
}

/** How far a node's own rating of the target has moved; null where that is nothing to speak of. */
export function changeOf(scene: Scene, id: string): Change | null {
  const of = (side: FlowSideData | null) =>
    side?.nodeOf.get(id)?.readings[0]?.target?.probability ?? null;
  const [before, after] = [of(scene.other), of(scene.side)];
  if (before === null || after === null || Math.abs(after - before) < LEAST_CHANGE) return null;
  return { by: after - before, text: signed(after - before, 2) };
}
