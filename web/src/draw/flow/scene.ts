/** All that a drawing of the flow graph is made of, and in which order. Knows no canvas. */
import { isShown, isZero, pathsOf, type FlowNode, type FlowSideData } from './data';
import { flowColours, type ColourBy, type FlowColours, type PaletteChoice } from './colours';
import { layOut, UNMOVED, type Box, type Layout, type Moves, type Ribbon } from './layout';
import { placeFlow, type Places } from './places';
import type { Theme } from '../lut';
import { isBand } from './scale';
import { signed } from '../format';

/** What is drawn, and how: the same for the window and for what is saved. */
export interface FlowDrawing {
  /** The side that is drawn. */
  flow: FlowSideData;
  /** The other side, where there are two: both have the same places, whichever is drawn. */
  other: FlowSideData | null;
  /** Which of the two `flow` is; "difference": the edited one, with outlines of the baseline. */
  mode: 'baseline' | 'edited' | 'difference';
  colourBy: ColourBy;
  palette: PaletteChoice;
  theme: Theme;
  /** Kinds of nodes, and kinds of links that no node has. */
  hidden: ReadonlySet<string>;
  /** Node or link whose paths stand out. */
  focus: string | null;
  /** Nodes and links that edits cut now. */
  cuts: ReadonlySet<string>;
  vocabSize: number;
}

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
  focus: string | null;
  /** What stands out; null: all alike. */
  lit: ReadonlySet<string> | null;
  cuts: ReadonlySet<string>;
}

/** The sides that have one set of places: the baseline orders them, whichever is drawn. */
export function sidesOf({ flow, other, mode }: Pick<FlowDrawing, 'flow' | 'other' | 'mode'>) {
  if (other === null) return [flow];
  return mode === 'baseline' ? [flow, other] : [other, flow];
}

/** `places`: those of the last drawing, where the same sides are drawn in the same mode. */
export function sceneOf(
  input: FlowDrawing,
  moves: Moves = UNMOVED,
  places: Places = placeFlow(sidesOf(input)),
): Scene {
  const { flow, mode, focus } = input;
  const other = mode === 'difference' ? input.other : null;
  const paths = focus === null ? new Set<string>() : pathsOf(flow, focus);
  return {
    side: flow,
    other,
    places,
    layout: layOut(places, flow, moves),
    ghost: other ? layOut(places, other, moves) : null,
    colours: flowColours(input.palette, input.theme, input.vocabSize),
    colourBy: input.colourBy,
    hidden: input.hidden,
    focus,
    lit: paths.size > 0 ? paths : null,
    cuts: input.cuts,
  };
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

/** What stands for a node: its token, or its name where nothing is read; "" where its vector is zero. */
export function labelOf(node: FlowNode): string {
  if (isZero(node)) return '';
  return node.readings[0]?.entropy === null ? caption(node) : node.label;
}

/** What a node is, in the fewest signs: "H7", "3 ␣Japan", "N1981"; "" for stations, which are alone. */
export function caption(node: FlowNode): string {
  switch (node.kind) {
    case 'query':
    case 'head':
    case 'neuron':
    case 'z_row':
      return part(node.id);
    case 'latent':
      return node.id.split('.').at(-1) ?? node.id;
    case 'error':
      return 'error';
    case 'neuron_key':
      return part(node.id.replace(/\.key$/, ''));
    case 'key':
    case 'value':
      return `${node.position ?? ''} ${node.token?.label ?? ''}`.trim();
    case 'attn_bias':
    case 'cross_bias':
    case 'mlp_in_bias':
    case 'mlp_bias':
    case 'latent_bias':
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
