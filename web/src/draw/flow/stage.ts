/**
 * The flow graph on two canvases. The lower one is a bitmap, somewhat larger than the window, that is moved
 * and stretched while the camera moves and redrawn when it rests; the upper one has what follows the pointer.
 */
import { neighboursOf } from './data';
import { boxOnScreen, down, HEADER, ribbonOnScreen, type Camera, type Size } from './camera';
import type { FlowStyle } from './labels';
import { fillRibbon, FlowPainter, outlineBox } from './paint';
import type { Span } from './places';
import { traceBand } from './ribbon';
import { isLit, type Scene } from './scene';

export interface Pointed {
  /** Under the pointer. */
  hover: string | null;
  /** Where the keyboard is. */
  cursor: string | null;
}

/** Of the window's size, on each side. */
const MARGIN = 0.25;
/** How far a bitmap may be stretched before its pixels show. */
const STRETCH = 1.6;

interface Bitmap {
  camera: Camera;
  width: number;
  height: number;
}

export class FlowStage {
  private readonly bitmap: HTMLCanvasElement;
  private readonly painter = new FlowPainter();
  private held: Bitmap | null = null;
  private scene: Scene | null = null;
  private style: FlowStyle | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly overlay: HTMLCanvasElement,
    makeCanvas: () => HTMLCanvasElement = () => document.createElement('canvas'),
  ) {
    this.bitmap = makeCanvas();
  }

  setScene(scene: Scene, style: FlowStyle): void {
    this.scene = scene;
    this.style = style;
    this.held = null;
  }

  /** `moving`: the bitmap of a moment ago will do, where it reaches. */
  draw(camera: Camera, size: Size, ratio: number, moving: boolean): void {
    if (size.width <= 0 || size.height <= 0) return;
    if (!moving || !this.reaches(camera, size)) this.redraw(camera, size, ratio);
    const context = prepared(this.canvas, size, ratio);
    if (!context || !this.held) return;
    const { x, y, width, height } = placed(this.held, camera);
    context.drawImage(this.bitmap, x, y, width, height);
  }

  drawOverlay(camera: Camera, size: Size, ratio: number, { hover, cursor }: Pointed): void {
    const context = prepared(this.overlay, size, ratio);
    const { scene, style } = this;
    if (!context || !scene || !style) return;
    if (scene.focus !== null) drawFocus(context, scene, camera, scene.focus, style);
    if (hover !== null) drawPointed(context, scene, camera, hover, style);
    if (cursor !== null) drawCursor(context, scene, camera, cursor, style);
    drawHeader(context, scene, camera, size, style);
  }

  private redraw(camera: Camera, size: Size, ratio: number): void {
    const { scene, style } = this;
    if (!scene || !style) return;
    const [left, top] = [Math.round(size.width * MARGIN), Math.round(size.height * MARGIN)];
    const large = { width: size.width + 2 * left, height: size.height + 2 * top };
    const context = prepared(this.bitmap, large, ratio);
    if (!context) return;
    const shifted = { ...camera, x: camera.x + left, y: camera.y + top };
    this.painter.paint(context, scene, shifted, large, style);
    this.held = { camera: shifted, ...large };
  }

  private reaches(camera: Camera, size: Size): boolean {
    const { held, scene } = this;
    if (!held || !scene) return false;
    const across = camera.zoom / held.camera.zoom;
    if (across > STRETCH || across < 1 / STRETCH) return false;
    const { x, y, width, height } = placed(held, camera);
    const end = camera.x + scene.places.width * camera.zoom;
    const bottom = camera.y + scene.places.height * down(camera);
    return (
      x <= Math.max(0, camera.x) &&
      y <= Math.max(0, camera.y) &&
      x + width >= Math.min(size.width, end) &&
      y + height >= Math.min(size.height, bottom)
    );
  }
}

/** Where a bitmap that was drawn with another camera lies now. */
function placed(held: Bitmap, camera: Camera) {
  const across = camera.zoom / held.camera.zoom;
  const along = down(camera) / down(held.camera);
  return {
    x: camera.x - held.camera.x * across,
    y: camera.y - held.camera.y * along,
    width: held.width * across,
    height: held.height * along,
  };
}

/** Cleared, of the right size, in CSS px. */
function prepared(
  canvas: HTMLCanvasElement,
  size: Size,
  ratio: number,
): CanvasRenderingContext2D | null {
  const context = canvas.getContext('2d');
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, size.width, size.height);
  return context;
}

// ------------------------------------------------------------------ what follows the pointer

function drawPointed(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  id: string,
  style: FlowStyle,
): void {
  for (const one of neighboursOf(scene.side, id)) {
    const ribbon = scene.layout.ribbons.get(one);
    if (ribbon && ribbon.link.colour !== 'hidden') {
      const seen = ribbonOnScreen(camera, ribbon);
      context.globalAlpha = isLit(scene, one) ? 0.55 : 0.3;
      fillRibbon(context, seen, scene.colours.link(ribbon.link).colour);
    }
    const box = scene.layout.boxes.get(one);
    if (!box) continue;
    context.globalAlpha = 1;
    context.lineWidth = one === id ? 1.5 : 1;
    context.strokeStyle = one === id ? style.text : style.lineStrong;
    outlineBox(context, boxOnScreen(camera, box), 1);
  }
  context.globalAlpha = 1;
}

function drawFocus(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  id: string,
  style: FlowStyle,
): void {
  const box = scene.layout.boxes.get(id);
  const ribbon = scene.layout.ribbons.get(id);
  context.lineWidth = 1.5;
  context.strokeStyle = style.accent;
  if (box) outlineBox(context, boxOnScreen(camera, box), 1.5);
  if (!ribbon) return;
  context.beginPath();
  traceBand(context, ribbonOnScreen(camera, { ...ribbon, thickness: ribbon.thickness + 2 }));
  context.stroke();
}

function drawCursor(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  id: string,
  style: FlowStyle,
): void {
  const box = scene.layout.boxes.get(id);
  if (!box) return;
  const seen = boxOnScreen(camera, box);
  context.lineWidth = 2;
  context.strokeStyle = style.accent;
  outlineBox(context, seen, 2);
  context.lineWidth = 1;
  context.strokeStyle = style.ground;
  outlineBox(context, seen, 0.5);
}

// ------------------------------------------------------------------ header

/** Names of layers and columns stay in sight; a name that has no room is left out, not cut to nothing. */
function drawHeader(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  size: Size,
  style: FlowStyle,
): void {
  context.fillStyle = style.ground;
  context.fillRect(0, 0, size.width, HEADER);
  context.fillStyle = style.line;
  context.fillRect(0, HEADER - 1, size.width, 1);
  context.textBaseline = 'middle';
  drawLayers(context, scene, camera, size, style);
  drawColumns(context, scene, camera, size, style);
}

/** "Layer 14" above its columns, then its branches, each over a line as long as it reaches. */
function drawLayers(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  size: Size,
  style: FlowStyle,
): void {
  const { layers, branches } = scene.places;
  context.font = `600 11px ${style.sans}`;
  const named = layers.map((span) => {
    const seen = onScreen(span, camera, size);
    if (seen.right - seen.left < 60) seen.name = String(span.layer);
    return { ...seen, end: drawSpan(context, seen, style, style.text) };
  });
  context.font = `11px ${style.sans}`;
  for (const span of branches) {
    const seen = onScreen(span, camera, size);
    // A layer's name may be held where its branch would be named.
    const taken = named.find(({ left, end }) => seen.left < end + 8 && seen.right > left);
    if (taken) seen.left = Math.max(seen.left, taken.end + 8);
    drawSpan(context, seen, style, style.text2);
  }
}

function onScreen(span: Span, camera: Camera, size: Size): Span {
  return {
    name: span.name,
    left: Math.max(2, span.left * camera.zoom + camera.x),
    right: Math.min(size.width - 2, span.right * camera.zoom + camera.x),
  };
}

/** Returns where the name ends. */
function drawSpan(
  context: CanvasRenderingContext2D,
  { name, left, right }: Span,
  style: FlowStyle,
  ink: string,
): number {
  const { width } = context.measureText(name);
  if (right - left < width) return left;
  context.fillStyle = style.line;
  context.fillRect(left, 17, right - left, 1);
  context.fillStyle = ink;
  context.fillText(name, left, 9);
  return left + width;
}

function drawColumns(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  size: Size,
  style: FlowStyle,
): void {
  context.font = `10px ${style.sans}`;
  context.fillStyle = style.text2;
  let free = 0;
  for (const { x, name } of scene.places.columns) {
    const left = x * camera.zoom + camera.x;
    const width = context.measureText(name).width;
    if (left < free || left + width > size.width) continue;
    context.fillText(name, left, 27.5);
    free = left + width + 8;
  }
}
