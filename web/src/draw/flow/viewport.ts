/** The camera on the flow graph and its two canvases. Whatever changes, it is drawn once per frame. */
import { make } from '../dom';
import {
  fitCamera,
  pan,
  reveal,
  zoomAt,
  zoomStep,
  type Camera,
  type Point,
  type Size,
} from './camera';
import type { FlowStyle } from './labels';
import type { Places } from './places';
import type { Scene } from './scene';
import { FlowStage, type Pointed } from './stage';

/** After this long without a move the picture is drawn sharp. */
const REST_MS = 110;
/** Of the zoom at which all fits. */
const FARTHEST = 0.7;
const START: Camera = { zoom: 1, stretch: 1, ratio: 1, x: 0, y: 0 };

export class FlowViewport {
  camera: Camera = START;
  size: Size = { width: 0, height: 0 };
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
  private readonly overlay = make('canvas', { 'aria-hidden': 'true' });
  private readonly stage = new FlowStage(this.canvas, this.overlay);
  private readonly observer: ResizeObserver;
  private pointed: Pointed = { hover: null, cursor: null };
  private scene: Scene | null = null;
  /** The person has not moved it: it follows the size of the window. */
  private fitted = true;
  private frame = 0;
  private sharp = true;
  private rest: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly box: HTMLElement) {
    for (const layer of [this.canvas, this.overlay])
      Object.assign(layer.style, {
        position: 'absolute',
        inset: '0',
        width: '100%',
        height: '100%',
        pointerEvents: 'none',
      });
    box.prepend(this.canvas, this.overlay);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(box);
  }

  show(scene: Scene): void {
    const before = this.scene?.places;
    const { places } = scene;
    this.scene = scene;
    this.stage.setScene(scene, flowStyle(this.box));
    if (before !== places) {
      const grown = before && !nearly(before.height, places.height);
      if (!before || !alike(before, places) || (this.fitted && grown)) this.fit();
    }
    this.draw(true);
  }

  /** Changes the camera; the picture of a moment ago is moved until it comes to rest. */
  move(change: (camera: Camera, size: Size) => Camera): void {
    this.camera = change(this.camera, this.size);
    this.fitted = false;
    this.draw(false);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.draw(true), REST_MS);
  }

  pan(dx: number, dy: number): void {
    const places = this.scene?.places;
    if (places) this.move((camera, size) => pan(camera, dx, dy, places, size));
  }

  zoom(factor: number, at: Point): void {
    this.move((camera) => zoomAt(camera, factor, at, this.least()));
  }

  /** Around a point of the window, else around its middle. */
  step(step: 1 | -1, at: Point | null): void {
    this.move((camera, size) => zoomStep(camera, step, size, this.least(), at));
  }

  fit(): void {
    if (!this.scene) return;
    this.camera = fitCamera(this.scene.places, this.size);
    this.fitted = true;
    this.draw(true);
  }

  /** The camera no longer follows the size of the window. */
  hold(): void {
    this.fitted = false;
  }

  point(pointed: Partial<Pointed>): void {
    this.pointed = { ...this.pointed, ...pointed };
    this.draw(false);
  }

  destroy(): void {
    this.observer.disconnect();
    clearTimeout(this.rest);
    cancelAnimationFrame(this.frame);
    this.canvas.remove();
    this.overlay.remove();
  }

  private least(): number {
    return this.scene ? FARTHEST * fitCamera(this.scene.places, this.size).zoom : 0;
  }

  private resize(): void {
    this.size = { width: this.box.clientWidth, height: this.box.clientHeight };
    if (this.fitted) return this.fit();
    const { scene } = this;
    const kept = scene?.focus == null ? undefined : scene.layout.boxes.get(scene.focus);
    if (kept) this.camera = reveal(this.camera, kept, this.size);
    this.draw(true);
  }

  /** A sharp drawing that is asked for within a frame is not lost to a move in the same one. */
  private draw(sharp: boolean): void {
    this.sharp ||= sharp;
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.stage.draw(this.camera, this.size, devicePixelRatio, !this.sharp);
      this.stage.drawOverlay(this.camera, this.size, devicePixelRatio, this.pointed);
      this.sharp = false;
    });
  }
}

/** The same layers: the camera may stay. */
function alike(before: Places, after: Places): boolean {
  const names = (places: Places) => places.layers.map(({ layer }) => layer).join();
  return names(before) === names(after) && before.columns.length === after.columns.length;
}

/** An edit makes boxes somewhat higher or lower: no reason to show all of them another way. */
function nearly(before: number, after: number): boolean {
  return Math.abs(after - before) < 0.15 * before;
}

function flowStyle(element: Element): FlowStyle {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    ground: read('--ground'),
    raised: read('--raised'),
    line: read('--line'),
    lineStrong: read('--line-strong'),
    text: read('--text'),
    text2: read('--text-2'),
    darkText: '#111110',
    lightText: '#fbfbfa',
    accent: read('--accent'),
    baseline: read('--baseline'),
    edited: read('--edited'),
    positive: read('--positive'),
    negative: read('--negative'),
    mono: read('--mono'),
    sans: read('--sans'),
  };
}
