/**
 * The two canvases of an attribution graph. The lower one is larger than the window and is moved as it
 * is while the camera moves; it is drawn again when the camera rests, or when its edge comes into sight.
 */
import { make } from '../dom';
import { fitCamera, START, type Camera } from './camera';
import type { Layout, Size } from './layout';
import { paintGraph, paintPointed, type Shown } from './paint';
import type { GraphStyle } from './style';

/** Of the window's size, on each side. */
const MARGIN = 0.3;
/** After this long without a move the picture is drawn sharp. */
const REST_MS = 110;
/** How far a picture may be stretched before its pixels show. */
const STRETCH = 1.5;
const FADED = '0.2';

interface Held {
  camera: Camera;
  left: number;
  top: number;
  width: number;
  height: number;
}

export class GraphStage {
  camera: Camera = START;
  size: Size = { width: 0, height: 0 };
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
  private readonly overlay = make('canvas', { 'aria-hidden': 'true' });
  private shown: Shown | null = null;
  private hovered: string | null = null;
  private held: Held | null = null;
  private frame = 0;
  private rest: ReturnType<typeof setTimeout> | undefined;
  /** The person has not moved it: it follows the window and what is shown. */
  private fitted = true;

  constructor(
    box: HTMLElement,
    private readonly style: () => GraphStyle,
  ) {
    box.append(this.canvas, this.overlay);
  }

  show(shown: Shown, again: boolean): void {
    this.shown = shown;
    if (again) {
      this.held = null;
      if (this.fitted) this.camera = fitCamera(shown.layout, this.size);
    }
    this.draw();
  }

  resize(size: Size): void {
    this.size = size;
    this.held = null;
  }

  point(id: string | null): void {
    this.hovered = id;
    this.draw();
  }

  move(camera: Camera): void {
    this.camera = camera;
    this.fitted = false;
    this.draw();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.held = null;
      this.draw();
    }, REST_MS);
  }

  fit(layout: Layout): void {
    this.camera = fitCamera(layout, this.size);
    this.fitted = true;
    this.held = null;
    this.draw();
  }

  destroy(): void {
    clearTimeout(this.rest);
    cancelAnimationFrame(this.frame);
    this.canvas.remove();
    this.overlay.remove();
  }

  private draw(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  private paint(): void {
    const { shown, size, camera } = this;
    if (!shown || size.width <= 0 || size.height <= 0) return;
    const style = this.style();
    if (!this.held || !reaches(this.held, camera, shown.layout, size)) this.redraw(shown, style);
    if (this.held) this.place(this.held);
    // What is not chosen fades without being drawn again.
    this.canvas.style.opacity = shown.chosen === null ? '' : FADED;
    const above = prepared(this.overlay, size);
    if (above) paintPointed(above, shown, this.hovered, camera, size, style);
  }

  private redraw(shown: Shown, style: GraphStyle): void {
    const { size, camera } = this;
    const [left, top] = [Math.round(size.width * MARGIN), Math.round(size.height * MARGIN)];
    const large = { width: size.width + 2 * left, height: size.height + 2 * top };
    const context = prepared(this.canvas, large);
    if (!context) return;
    paintGraph(context, shown, { ...camera, x: camera.x + left, y: camera.y + top }, large, style);
    this.held = { camera, left, top, ...large };
  }

  private place({ camera, left, top }: Held): void {
    const scale = this.camera.zoom / camera.zoom;
    const x = this.camera.x - (camera.x + left) * scale;
    const y = this.camera.y - (camera.y + top) * scale;
    Object.assign(this.canvas.style, {
      transformOrigin: '0 0',
      transform: `translate(${x}px, ${y}px) scale(${scale})`,
    });
  }
}

/** Whether all of the graph that the window shows is on the picture. */
function reaches(held: Held, camera: Camera, layout: Layout, size: Size): boolean {
  const scale = camera.zoom / held.camera.zoom;
  if (scale > STRETCH || scale < 1 / STRETCH) return false;
  const x = camera.x - (held.camera.x + held.left) * scale;
  const y = camera.y - (held.camera.y + held.top) * scale;
  return (
    x <= Math.max(0, camera.x) &&
    y <= Math.max(0, camera.y) &&
    x + held.width * scale >= Math.min(size.width, camera.x + layout.width * camera.zoom) &&
    y + held.height * scale >= Math.min(size.height, camera.y + layout.height * camera.zoom)
  );
}

/** Cleared, of the right size, in CSS px. */
function prepared(canvas: HTMLCanvasElement, size: Size): CanvasRenderingContext2D | null {
  const context = canvas.getContext('2d');
  const ratio = devicePixelRatio;
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  Object.assign(canvas.style, { width: `${size.width}px`, height: `${size.height}px` });
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, size.width, size.height);
  return context;
}
