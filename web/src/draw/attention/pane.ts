/** A box that scrolls over a canvas that stays: one frame at a time, whatever changed in it. */
import { make } from '../dom';
import { listen, watchPresses, type Point } from '../press';
import { watchWheel } from '../wheel';

export interface PaneEvents {
  /** Draws the window; in CSS px of the canvas. */
  draw: (context: CanvasRenderingContext2D, ratio: number) => void;
  resize: () => void;
  scroll: () => void;
  hover: (at: Point | null) => void;
  click: (at: Point) => void;
  zoom: (factor: number, at: Point) => void;
  /** A drag begins. */
  drag: () => void;
  double: () => void;
}

export class Pane {
  readonly box: HTMLElement;
  width = 0;
  height = 0;
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
  private readonly space = make('div', { class: 'att-space', role: 'presentation' });
  private readonly stops: Array<() => void> = [];
  private request = 0;

  constructor(
    testId: string,
    private readonly events: PaneEvents,
  ) {
    this.box = make('div', { class: 'att-pane', 'data-testid': testId, role: 'presentation' });
    this.space.append(this.canvas);
    this.box.append(this.space);
    this.listen();
  }

  get scroll(): Point {
    return { x: this.box.scrollLeft, y: this.box.scrollTop };
  }

  scrollTo({ x, y }: Point): void {
    if (Math.abs(this.box.scrollLeft - x) > 0.5) this.box.scrollLeft = x;
    if (Math.abs(this.box.scrollTop - y) > 0.5) this.box.scrollTop = y;
  }

  /** Of all that can be scrolled to. */
  extend(width: number, height: number): void {
    Object.assign(this.space.style, { width: `${width}px`, height: `${height}px` });
  }

  ask(): void {
    cancelAnimationFrame(this.request);
    this.request = requestAnimationFrame(() => this.paint());
  }

  look(cursor: string): void {
    if (this.canvas.style.cursor !== cursor) this.canvas.style.cursor = cursor;
  }

  /** A rectangle of the canvas as one of the page. */
  placed(x: number, y: number, width: number, height: number): DOMRect {
    const { left, top } = this.canvas.getBoundingClientRect();
    return new DOMRect(left + x, top + y, width, height);
  }

  destroy(): void {
    cancelAnimationFrame(this.request);
    for (const stop of this.stops) stop();
    this.box.remove();
  }

  private paint(): void {
    const { canvas, width, height } = this;
    if (width <= 0 || height <= 0) return;
    const ratio = devicePixelRatio;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across) canvas.width = across;
    if (canvas.height !== down) canvas.height = down;
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    const context = canvas.getContext('2d');
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.events.draw(context, ratio);
  }

  private listen(): void {
    const { box, canvas, events } = this;
    const observer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = box;
      if (clientWidth === this.width && clientHeight === this.height) return;
      this.width = clientWidth;
      this.height = clientHeight;
      events.resize();
      this.ask();
    });
    observer.observe(box);
    this.stops.push(
      () => observer.disconnect(),
      watchPresses(canvas, {
        click: (at) => events.click(at),
        drag: (from, to) => box.scrollBy(from.x - to.x, from.y - to.y),
        pinch: (factor, at) => events.zoom(factor, at),
        hover: (at) => events.hover(at),
        dragging: (on) => {
          canvas.classList.toggle('dragging', on);
          if (on) events.drag();
        },
      }),
      listen(canvas, { dblclick: () => events.double() }),
      listen(box, {
        scroll: () => {
          events.scroll();
          this.ask();
        },
      }),
      watchWheel(box, (factor, at) => events.zoom(factor, at)),
    );
  }
}
