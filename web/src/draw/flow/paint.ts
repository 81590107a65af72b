/** Draws a scene on a canvas. What is too small to be read is left out; what is too thin to be seen is a hairline. */
import { boxOnScreen, down, ribbonOnScreen, type Camera, type Size } from './camera';
import { FlowLabels, type FlowStyle } from './labels';
import type { Box, Layout, Ribbon } from './layout';
import { traceBand, traceMiddle } from './ribbon';
import { changeOf, isLit, ribbonsInOrder, shownBoxes, type Scene } from './scene';
import { css, wantsDarkText } from '../lut';

const HAIRLINE = 0.9;
const DIMMED = 0.09;
const DIMMED_BOX = 0.2;
const RADIUS = 2;
/** px by which an outline of the other side must differ to be drawn. */
const DIFFERS = 1.5;

type Context = CanvasRenderingContext2D;

export class FlowPainter {
  private readonly labels = new FlowLabels();

  /** Everything within the size; the context is in CSS px. */
  paint(context: Context, scene: Scene, camera: Camera, size: Size, style: FlowStyle): void {
    for (const ribbon of ribbonsInOrder(scene)) {
      const seen = ribbonOnScreen(camera, ribbon);
      if (ribbonInside(seen, size)) drawRibbon(context, scene, seen, style);
    }
    if (scene.ghost) drawGhostRibbons(context, scene, scene.ghost, camera, size, style);
    for (const box of shownBoxes(scene)) {
      const seen = boxOnScreen(camera, box);
      if (boxInside(seen, size)) this.drawBox(context, scene, seen, style);
    }
    if (scene.ghost) drawGhostBoxes(context, scene, scene.ghost, camera, style);
    context.globalAlpha = 1;
  }

  private drawBox(context: Context, scene: Scene, box: Box, style: FlowStyle): void {
    const { node } = box;
    const colour = scene.colours.node(node, scene.colourBy);
    const cut = scene.cuts.has(node.id);
    context.globalAlpha = isLit(scene, node.id) ? 1 : DIMMED_BOX;
    fillBox(context, box, colour === null ? style.raised : css(colour));
    if (colour === null || cut) drawEdge(context, box, cut, style);
    const ink = colour === null ? style.text : inkOn(colour, style);
    this.labels.draw(context, box, ink, style, changeOf(scene, node.id) !== null);
    if (node.kind === 'query') this.labels.drawTag(context, box, style);
    if (cut) saltire(context, box.x + box.width, box.y, style);
    if (scene.other) drawChange(context, scene, box, style);
  }
}

function inkOn(colour: number, style: FlowStyle): string {
  return wantsDarkText(colour) ? style.darkText : style.lightText;
}

function drawEdge(context: Context, box: Box, cut: boolean, style: FlowStyle): void {
  context.lineWidth = cut ? 1.5 : 1;
  context.strokeStyle = cut ? style.edited : style.lineStrong;
  context.setLineDash(cut || box.node.kind === 'rest' ? [4, 3] : []);
  outlineBox(context, box, 0);
  context.setLineDash([]);
}

// ------------------------------------------------------------------ ribbons

function ribbonInside(ribbon: Ribbon, size: Size): boolean {
  const half = ribbon.thickness / 2 + 1;
  return (
    Math.max(ribbon.x0, ribbon.x1) >= 0 &&
    Math.min(ribbon.x0, ribbon.x1) <= size.width &&
    Math.max(ribbon.y0, ribbon.y1) + half >= 0 &&
    Math.min(ribbon.y0, ribbon.y1) - half <= size.height
  );
}

function drawRibbon(context: Context, scene: Scene, ribbon: Ribbon, style: FlowStyle): void {
  const { link } = ribbon;
  const paint = scene.colours.link(link);
  const cut = scene.cuts.has(link.id);
  context.globalAlpha = (isLit(scene, link.id) ? 1 : DIMMED) * (cut ? 0.25 : paint.alpha);
  fillRibbon(context, ribbon, paint.colour);
  if (!cut) return;
  context.globalAlpha = 1;
  context.setLineDash([5, 4]);
  strokeMiddle(context, ribbon, style.edited, 1.5);
  context.setLineDash([]);
  saltire(context, (ribbon.x0 + ribbon.x1) / 2, (ribbon.y0 + ribbon.y1) / 2, style);
}

export function fillRibbon(context: Context, ribbon: Ribbon, colour: string): void {
  if (ribbon.thickness < HAIRLINE) return strokeMiddle(context, ribbon, colour, HAIRLINE);
  context.beginPath();
  traceBand(context, ribbon);
  context.fillStyle = colour;
  context.fill();
}

function strokeMiddle(context: Context, ribbon: Ribbon, colour: string, width: number): void {
  context.beginPath();
  traceMiddle(context, ribbon);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

/** Outlines of what was as thick in the other run, where that can be seen. */
function drawGhostRibbons(
  context: Context,
  scene: Scene,
  ghost: Layout,
  camera: Camera,
  size: Size,
  style: FlowStyle,
): void {
  context.strokeStyle = style.baseline;
  context.lineWidth = 0.75;
  for (const ribbon of ribbonsInOrder(scene)) {
    const before = ghost.ribbons.get(ribbon.link.id);
    if (!before) continue;
    const seen = ribbonOnScreen(camera, {
      ...ribbon,
      thickness: before.thickness,
    });
    const change = Math.abs(before.thickness - ribbon.thickness) * down(camera);
    if (change < DIFFERS || !ribbonInside(seen, size)) continue;
    context.globalAlpha = isLit(scene, ribbon.link.id) ? 0.7 : DIMMED;
    context.beginPath();
    traceBand(context, seen);
    context.stroke();
  }
}

// ------------------------------------------------------------------ boxes

function boxInside(box: Box, size: Size): boolean {
  return (
    box.x + box.width >= -40 &&
    box.x <= size.width + 40 &&
    box.y + box.height >= 0 &&
    box.y <= size.height
  );
}

function fillBox(context: Context, box: Box, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, Math.min(RADIUS, box.width / 3));
  context.fill();
}

/** Around a box, `by` px outside its edge. */
export function outlineBox(context: Context, box: Box, by: number): void {
  const inset = 0.5 - by;
  context.beginPath();
  context.roundRect(
    box.x + inset,
    box.y + inset,
    Math.max(0, box.width - 2 * inset),
    Math.max(0, box.height - 2 * inset),
    Math.max(0, RADIUS + by),
  );
  context.stroke();
}

function drawGhostBoxes(
  context: Context,
  scene: Scene,
  ghost: Layout,
  camera: Camera,
  style: FlowStyle,
): void {
  context.strokeStyle = style.baseline;
  context.lineWidth = 1;
  context.setLineDash([3, 3]);
  for (const box of shownBoxes(scene)) {
    const before = ghost.boxes.get(box.node.id);
    if (!before || Math.abs(before.height - box.height) * down(camera) < DIFFERS) continue;
    context.globalAlpha = isLit(scene, box.node.id) ? 1 : DIMMED_BOX;
    outlineBox(context, boxOnScreen(camera, before), 1);
  }
  context.setLineDash([]);
}

/** ✕ in the colour of edits, on a disc that shows on any ground. */
function saltire(context: Context, x: number, y: number, style: FlowStyle): void {
  const arm = 3;
  context.beginPath();
  context.arc(x, y, arm + 3.5, 0, 2 * Math.PI);
  context.fillStyle = style.ground;
  context.fill();
  context.lineWidth = 1.25;
  context.strokeStyle = style.edited;
  context.stroke();
  context.lineWidth = 1.75;
  context.beginPath();
  context.moveTo(x - arm, y - arm);
  context.lineTo(x + arm, y + arm);
  context.moveTo(x + arm, y - arm);
  context.lineTo(x - arm, y + arm);
  context.stroke();
}

/** ▲ or ▼ at the right edge: what the node says of the target has grown or shrunk. */
function drawChange(context: Context, scene: Scene, box: Box, style: FlowStyle): void {
  const change = changeOf(scene, box.node.id);
  if (!change || box.height < 7 || box.width < 10) return;
  const [x, y] = [box.x + box.width - 6, box.y + Math.min(box.height / 2, 9)];
  const tip = change.by > 0 ? -3.5 : 3.5;
  context.beginPath();
  context.moveTo(x - 3.5, y - tip);
  context.lineTo(x + 3.5, y - tip);
  context.lineTo(x, y + tip);
  context.closePath();
  context.fillStyle = change.by > 0 ? style.positive : style.negative;
  context.strokeStyle = style.ground;
  context.lineWidth = 2;
  context.stroke();
  context.fill();
}
