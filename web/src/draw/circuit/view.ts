/**
 * A circuit in a box of the page: what is drawn, and what pointer and keyboard do with it. It is drawn
 * once on a canvas; what follows the pointer lies on another one above it. For assistive technology it
 * is one node or edge at a time, which keys choose.
 */
import { make } from '../dom';
import type { Theme } from '../lut';
import { pressed } from '../keys';
import { listen, watchPresses, type Point } from '../press';
import type { CircuitData } from './data';
import { hitAt, neighbour, nextEdge, type Direction } from './hit';
import { CIRCUIT_KEYS } from './keys';
import { layOut } from './layout';
import { type Layout } from './shapes';
import { paintCircuit, paintPointed } from './paint';
import { styleOf } from './style';
import { sentence } from './text';

export interface CircuitEvents {
  /** With a place of the page. */
  hover: (id: string | null, at: Point | null) => void;
  choose: (id: string | null) => void;
  /** By Enter, of what is chosen. */
  open?: (id: string) => void;
  /** Without it nothing can be taken out. */
  out?: (id: string) => void;
}

export interface CircuitDrawing {
  data: CircuitData;
  chosen: string | null;
  /** Whose colours the page has: another one, and it is drawn again. */
  theme: Theme;
}

const LABEL = 'Circuit: arrow keys go from node to node, e from edge to edge';

export class CircuitView {
  private readonly space = make('div', { class: 'circuit-space' });
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
  private readonly overlay = make('canvas', { 'aria-hidden': 'true' });
  private readonly spoken = make('div', {
    class: 'visually-hidden',
    'aria-live': 'polite',
    'data-testid': 'circuit-spoken',
  });
  private readonly observer: ResizeObserver;
  private readonly stops: Array<() => void> = [];
  private drawing: CircuitDrawing | null = null;
  private layout: Layout | null = null;
  private hovered: string | null = null;
  private frame = 0;

  constructor(
    readonly box: HTMLElement,
    private readonly events: CircuitEvents,
  ) {
    for (const [name, value] of Object.entries({
      role: 'application',
      tabindex: '0',
      'aria-roledescription': 'circuit',
      'aria-label': events.open ? `${LABEL}, Enter measures an edge` : LABEL,
      'data-testid': 'circuit-canvas',
    }))
      box.setAttribute(name, value);
    box.classList.add('circuit-canvas');
    this.space.append(this.canvas, this.overlay);
    box.append(this.space, this.spoken);
    this.observer = new ResizeObserver(() => this.place());
    this.observer.observe(box);
    this.listen();
  }

  show(drawing: CircuitDrawing): void {
    const other = this.drawing?.data !== drawing.data;
    this.drawing = drawing;
    if (other || !this.layout) this.place();
    else this.draw();
    this.say();
  }

  destroy(): void {
    for (const stop of this.stops) stop();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.space.remove();
    this.spoken.remove();
  }

  // -------------------------------------------------------------- what is drawn

  private place(): void {
    if (!this.drawing) return;
    const room = { width: this.box.clientWidth, height: this.box.clientHeight };
    this.layout = layOut(this.drawing.data, room);
    this.space.style.width = `${this.layout.width}px`;
    this.space.style.height = `${this.layout.height}px`;
    this.draw();
  }

  private draw(): void {
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  private paint(): void {
    const { drawing, layout } = this;
    if (!drawing || !layout) return;
    const read = getComputedStyle(this.box);
    const style = styleOf((name) => read.getPropertyValue(name).trim());
    const shown = { ...drawing, layout };
    const below = prepared(this.canvas, layout);
    if (below) paintCircuit(below, shown, style);
    const above = prepared(this.overlay, layout);
    if (above) paintPointed(above, shown, this.hovered, style);
  }

  private say(): void {
    const { data, chosen } = this.drawing ?? { data: null, chosen: null };
    const known = data && chosen !== null && (data.edgeOf.has(chosen) || data.nodes.has(chosen));
    const words = known ? sentence(data, chosen) : '';
    if (this.spoken.textContent !== words) this.spoken.textContent = words;
    this.box.dataset['chosen'] = chosen ?? '';
  }

  // -------------------------------------------------------------- pointer and keyboard

  private listen(): void {
    const { space, box, events } = this;
    this.stops.push(
      watchPresses(space, {
        click: (at) => events.choose(this.hit(at)),
        drag: (from, to) => box.scrollBy(from.x - to.x, from.y - to.y),
        pinch: () => undefined,
        hover: (at) => this.hover(at && this.hit(at), at),
        dragging: (on) => (space.style.cursor = on ? 'grabbing' : ''),
      }),
      listen(box, { keydown: (event) => this.onKey(event) }),
    );
  }

  private hit(at: Point): string | null {
    return this.drawing && this.layout ? hitAt(this.drawing.data, this.layout, at) : null;
  }

  private hover(id: string | null, at: Point | null): void {
    if (this.hovered === id) return;
    this.hovered = id;
    this.space.style.cursor = id === null ? '' : 'pointer';
    const { left, top } = this.space.getBoundingClientRect();
    this.events.hover(id, id !== null && at ? { x: at.x + left, y: at.y + top } : null);
    this.draw();
  }

  private onKey(event: KeyboardEvent): void {
    const key = pressed(CIRCUIT_KEYS, event);
    if (key && this.act(key, event.key)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  private act(key: keyof typeof CIRCUIT_KEYS, name: string): boolean {
    const { drawing, layout, events } = this;
    if (!drawing || !layout) return false;
    const { data, chosen } = drawing;
    if (key === 'walk') {
      const from = chosen === null ? null : (data.edgeOf.get(chosen)?.reader ?? chosen);
      const next = neighbour(data, layout, from, ARROWS[name] ?? 'right');
      if (next !== null) this.go(next);
      return true;
    }
    if (chosen === null) return false;
    if (key === 'edge') {
      const next = nextEdge(data, chosen);
      if (next !== null) this.go(next);
    } else if (key === 'open') events.open?.(chosen);
    else if (key === 'out' && events.out) events.out(chosen);
    else return false;
    return true;
  }

  private go(id: string): void {
    this.events.choose(id);
    const end = this.drawing?.data.edgeOf.get(id)?.reader ?? id;
    const place = this.layout?.boxes.get(end);
    if (!place) return;
    const { box } = this;
    const [right, bottom] = [place.x + place.width + 20, place.y + place.height + 20];
    if (place.x < box.scrollLeft || right > box.scrollLeft + box.clientWidth)
      box.scrollLeft = place.x - box.clientWidth / 2;
    if (place.y < box.scrollTop || bottom > box.scrollTop + box.clientHeight)
      box.scrollTop = place.y - box.clientHeight / 2;
  }
}

const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};

/** Cleared, of the right size, in CSS px. */
function prepared(
  canvas: HTMLCanvasElement,
  { width, height }: Layout,
): CanvasRenderingContext2D | null {
  const context = canvas.getContext('2d');
  const ratio = devicePixelRatio;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}
