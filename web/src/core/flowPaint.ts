/** Draws a scene on a canvas. What is too small to be read is left out; what is too thin to be seen is a hairline. */
import { FitText } from './fitText';
import { boxOnScreen, down, ribbonOnScreen, type Camera, type Size } from './flowCamera';
import type { Box, Layout, Ribbon } from './flowLayout';
import { traceBand, traceMiddle } from './flowRibbon';
import { caption, changeOf, isLit, ribbonsInOrder, shownBoxes, type Scene } from './flowScene';
import { css, wantsDarkText } from './lut';

export interface FlowStyle {
  ground: string;
  raised: string;
  line: string;
  lineStrong: string;
  text: string;
  text2: string;
  darkText: string;
  lightText: string;
  accent: string;
  baseline: string;
  edited: string;
  positive: string;
  negative: string;
  mono: string;
  sans: string;
}

const HAIRLINE = 0.9;
const DIMMED = 0.09;
const DIMMED_BOX = 0.2;
const RADIUS = 2;
const PADDING = 4;
const TEXT_FROM_HEIGHT = 9.5;
const TEXT_FROM_WIDTH = 24;
const SECOND_LINE_FROM = 27;
const UPRIGHT_FROM_WIDTH = 9;
const UPRIGHT_FROM_HEIGHT = 34;
/** px by which an outline of the other side must differ to be drawn. */
const DIFFERS = 1;

type Context = CanvasRenderingContext2D;

export class FlowPainter {
  private readonly fitters = new Map<string, FitText>();

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
    this.drawHeadTags(context, scene, camera, size, style);
    context.globalAlpha = 1;
  }

  private drawBox(context: Context, scene: Scene, box: Box, style: FlowStyle): void {
    const { node } = box;
    const colour = scene.colours.node(node, scene.colourBy);
    context.globalAlpha = isLit(scene, node.id) ? 1 : DIMMED_BOX;
    fillBox(context, box, colour === null ? style.raised : css(colour));
    if (colour === null || scene.cuts.has(node.id)) {
      const cut = scene.cuts.has(node.id);
      context.lineWidth = cut ? 1.5 : 1;
      context.strokeStyle = cut ? style.edited : style.lineStrong;
      context.setLineDash(cut || node.kind === 'rest' ? [4, 3] : []);
      outlineBox(context, box, 0);
      context.setLineDash([]);
    }
    const ink =
      colour === null ? style.text : wantsDarkText(colour) ? style.darkText : style.lightText;
    this.drawText(context, scene, box, ink, style);
    if (scene.cuts.has(node.id)) cross(context, box, style);
    if (scene.other) drawChange(context, scene, box, style);
  }

  private drawText(context: Context, scene: Scene, box: Box, ink: string, style: FlowStyle): void {
    const { node, width, height } = box;
    context.fillStyle = ink;
    context.textBaseline = 'middle';
    if (width < TEXT_FROM_WIDTH) return this.drawUpright(context, box, style);
    if (height < TEXT_FROM_HEIGHT) return;
    const text = this.fitter(context, `${fontSize(height)}px ${style.mono}`);
    const room = width - 2 * PADDING - (scene.other && changeOf(scene, node.id) ? 7 : 0);
    const small = caption(node);
    const main = node.label === '' ? small : node.label;
    const under = main === small || small === '' ? '' : small;
    const twoLines = under !== '' && height >= SECOND_LINE_FROM;
    const middle = box.y + height / 2 + (twoLines ? -6 : 0.5);
    const shown = text.fit(main, room, false);
    context.fillText(shown, box.x + PADDING, middle);
    if (under === '') return;
    this.drawCaption(context, box, under, room - text.width(main), twoLines, style);
  }

  /** What it is: below the token, or at the right end of its line where there is room. */
  private drawCaption(
    context: Context,
    box: Box,
    words: string,
    spare: number,
    below: boolean,
    style: FlowStyle,
  ): void {
    const small = this.fitter(context, `9px ${style.mono}`);
    const { globalAlpha } = context;
    context.globalAlpha = globalAlpha * 0.75;
    const width = small.width(words);
    if (below) {
      const shown = small.fit(words, box.width - 2 * PADDING, false);
      context.fillText(shown, box.x + PADDING, box.y + box.height / 2 + 7);
    } else if (spare >= width + 6) {
      context.fillText(words, box.x + box.width - PADDING - width, box.y + box.height / 2 + 0.5);
    }
    context.globalAlpha = globalAlpha;
  }

  /** In narrow tall boxes: from bottom to top. */
  private drawUpright(context: Context, box: Box, style: FlowStyle): void {
    if (box.width < UPRIGHT_FROM_WIDTH || box.height < UPRIGHT_FROM_HEIGHT) return;
    const text = this.fitter(context, `${fontSize(box.width)}px ${style.mono}`);
    const shown = text.fit(box.node.label, box.height - 2 * PADDING, false);
    context.save();
    context.translate(box.x + box.width / 2 + 0.5, box.y + box.height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = 'center';
    context.fillText(shown, 0, 0);
    context.restore();
  }

  /** "H7" before a head's row: the rows of heads are what a reader looks for first. */
  private drawHeadTags(
    context: Context,
    scene: Scene,
    camera: Camera,
    size: Size,
    style: FlowStyle,
  ): void {
    if (camera.zoom * 40 < 14 || down(camera) * 18 < 8) return;
    this.fitter(context, `10px ${style.sans}`);
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    context.lineJoin = 'round';
    for (const box of shownBoxes(scene)) {
      if (box.node.kind !== 'query') continue;
      const seen = boxOnScreen(camera, box);
      if (!boxInside(seen, size)) continue;
      context.globalAlpha = isLit(scene, box.node.id) ? 1 : DIMMED_BOX;
      haloed(context, caption(box.node), seen.x - 4, seen.y + seen.height / 2, style);
    }
    context.textAlign = 'left';
  }

  private fitter(context: Context, font: string): FitText {
    context.font = font;
    let found = this.fitters.get(font);
    if (!found) {
      found = new FitText((text) => {
        context.font = font;
        return context.measureText(text).width;
      }, font);
      this.fitters.set(font, found);
    }
    return found;
  }
}

function fontSize(room: number): number {
  if (room >= 14) return 11;
  return room >= 12 ? 10 : 9;
}

function haloed(context: Context, text: string, x: number, y: number, style: FlowStyle): void {
  context.lineWidth = 3;
  context.strokeStyle = style.ground;
  context.strokeText(text, x, y);
  context.fillStyle = style.text2;
  context.fillText(text, x, y);
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
  context.lineWidth = 1;
  context.setLineDash([3, 3]);
  for (const ribbon of ribbonsInOrder(scene)) {
    const before = ghost.ribbons.get(ribbon.link.id);
    if (!before) continue;
    const seen = ribbonOnScreen(camera, {
      ...ribbon,
      thickness: before.thickness,
    });
    const change = Math.abs(before.thickness - ribbon.thickness) * down(camera);
    if (change < DIFFERS || !ribbonInside(seen, size)) continue;
    context.globalAlpha = isLit(scene, ribbon.link.id) ? 0.9 : DIMMED;
    context.beginPath();
    traceBand(context, seen);
    context.stroke();
  }
  context.setLineDash([]);
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

function cross(context: Context, box: Box, style: FlowStyle): void {
  saltire(context, box.x + box.width, box.y, style);
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
