/**
 * An attribution graph in a box of the page: what is drawn, and what pointer, wheel and keyboard do with
 * it. For assistive technology it is one node or edge at a time, which keys choose.
 */
import { make } from '../dom';
import { pressed } from '../keys';
import type { ColourMaps, Theme } from '../lut';
import { listen, watchPresses, within, type Point } from '../press';
import { pan, reveal, toScreen, zoomAt, zoomStep } from './camera';
import type { GraphData } from './data';
import { hitAt, neighbour, nextEdge, type Direction } from './hit';
import { FEATURE_KEYS } from './keys';
import { layOut, type Layout } from './layout';
import { GraphStage } from './stage';
import { styleOf } from './style';
import { sentence } from './text';

export interface GraphEvents {
  /** With a place of the page. */
  hover: (id: string | null, at: Point | null) => void;
  choose: (id: string | null) => void;
  /** By Enter, of what is chosen. */
  open?: (id: string) => void;
  /** By a key, or a click with Shift. Without it nothing is picked. */
  mark?: (id: string) => void;
}

export interface GraphDrawing {
  data: GraphData;
  chosen: string | null;
  marked: ReadonlySet<string>;
  flipped: boolean;
  theme: Theme;
  maps?: ColourMaps;
}

const LABEL = 'Attribution graph: arrow keys go from node to node, e from edge to edge';
const WHEEL = { most: 60, perPixel: 0.0045, perLine: 16 };

export class AttributionGraphView {
  readonly stage: GraphStage;
  private readonly spoken = make('div', {
    class: 'visually-hidden',
    'aria-live': 'polite',
    'data-testid': 'graph-spoken',
  });
  private readonly observer: ResizeObserver;
  private readonly stops: Array<() => void> = [];
  private drawing: GraphDrawing | null = null;
  private layout: Layout | null = null;
  private hovered: string | null = null;

  /** `wheel`: "always" zooms; "focused" leaves the page its wheel until the graph is clicked. */
  constructor(
    readonly box: HTMLElement,
    private readonly events: GraphEvents,
    private readonly wheel: 'always' | 'focused' = 'always',
  ) {
    for (const [name, value] of Object.entries({
      role: 'application',
      tabindex: '0',
      'aria-roledescription': 'attribution graph',
      'aria-label': events.open ? `${LABEL}, Enter measures an edge` : LABEL,
      'data-testid': 'graph-canvas',
    }))
      box.setAttribute(name, value);
    box.classList.add('graph-canvas');
    this.stage = new GraphStage(box, () => this.style());
    box.append(this.spoken);
    this.observer = new ResizeObserver(() => this.place());
    this.observer.observe(box);
    this.listen();
  }

  show(drawing: GraphDrawing): void {
    const before = this.drawing;
    this.drawing = drawing;
    const same = before?.data === drawing.data && before.flipped === drawing.flipped;
    if (!same || !this.layout) this.place();
    else this.compose(before.theme !== drawing.theme || before.maps !== drawing.maps);
    this.say();
  }

  destroy(): void {
    for (const stop of this.stops) stop();
    this.observer.disconnect();
    this.stage.destroy();
    this.spoken.remove();
  }

  // -------------------------------------------------------------- what is drawn

  private place(): void {
    const { drawing, box } = this;
    if (!drawing) return;
    const size = { width: box.clientWidth, height: box.clientHeight };
    this.layout = layOut(drawing.data, size, drawing.flipped);
    this.stage.resize(size);
    this.compose(true);
  }

  private compose(again: boolean): void {
    const { drawing, layout } = this;
    if (!drawing || !layout) return;
    const { data, marked } = drawing;
    const there = drawing.chosen !== null && isIn(data, drawing.chosen);
    this.stage.show({ data, layout, chosen: there ? drawing.chosen : null, marked }, again);
  }

  private style() {
    const read = getComputedStyle(this.box);
    const { theme, maps } = this.drawing ?? { theme: 'light' as const };
    return styleOf((name) => read.getPropertyValue(name).trim(), theme, maps);
  }

  private say(): void {
    const { data, chosen } = this.drawing ?? { data: null, chosen: null };
    const words = data && chosen !== null ? sentence(data, chosen) : '';
    if (this.spoken.textContent !== words) this.spoken.textContent = words;
    this.box.dataset['chosen'] = chosen ?? '';
  }

  // -------------------------------------------------------------- pointer

  private listen(): void {
    const { box } = this;
    let shift = false;
    this.stops.push(
      listen(box, { pointerdown: (event) => (shift = event.shiftKey) }),
      watchPresses(box, {
        click: (at) => this.click(this.hit(at), shift),
        drag: (from, to) => this.pan(to.x - from.x, to.y - from.y),
        pinch: (factor, at) => this.zoom(factor, at),
        hover: (at) => this.hover(at && this.hit(at), at),
        dragging: (on) => (box.style.cursor = on ? 'grabbing' : 'grab'),
      }),
      listen(box, {
        dblclick: (event) => {
          if (this.hit(within(box, event)) === null) this.fit();
        },
        keydown: (event) => this.onKey(event),
      }),
      // Else the page would scroll, too.
      listen(box, { wheel: (event) => this.onWheel(event) }, { passive: false }),
    );
  }

  private hit(at: Point): string | null {
    const { drawing, layout, stage } = this;
    if (!drawing || !layout) return null;
    const { data, chosen } = drawing;
    const there = chosen !== null && isIn(data, chosen) ? chosen : null;
    return hitAt({ data, layout, camera: stage.camera, chosen: there }, at);
  }

  private click(id: string | null, shift: boolean): void {
    const { events, drawing } = this;
    if (shift && events.mark && id !== null && drawing?.data.nodeOf.has(id)) events.mark(id);
    else events.choose(id);
  }

  private hover(id: string | null, at: Point | null): void {
    if (this.hovered === id) return;
    this.hovered = id;
    this.box.style.cursor = id === null ? 'grab' : 'pointer';
    const { left, top } = this.box.getBoundingClientRect();
    this.events.hover(id, id !== null && at ? { x: at.x + left, y: at.y + top } : null);
    this.stage.point(id);
  }

  private pan(dx: number, dy: number): void {
    const { stage, layout } = this;
    if (layout) stage.move(pan(stage.camera, dx, dy, layout, stage.size));
  }

  private zoom(factor: number, at: Point): void {
    const { stage, layout } = this;
    if (layout) stage.move(zoomAt(stage.camera, factor, at, layout, stage.size));
  }

  private fit(): void {
    if (this.layout) this.stage.fit(this.layout);
  }

  private onWheel(event: WheelEvent): void {
    const wanted = event.ctrlKey || event.metaKey || this.wheel === 'always';
    if (!wanted && !this.box.matches(':focus')) return;
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL.perLine : 1;
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (sideways) return this.pan(-unit * (event.deltaX || event.deltaY), 0);
    const turned = Math.max(-WHEEL.most, Math.min(WHEEL.most, unit * event.deltaY));
    // A pinch of a track pad comes as Ctrl and small steps.
    const speed = event.ctrlKey ? 2 * WHEEL.perPixel : WHEEL.perPixel;
    this.zoom(Math.exp(-turned * speed), within(this.box, event));
  }

  // -------------------------------------------------------------- keyboard

  private onKey(event: KeyboardEvent): void {
    const key = pressed(FEATURE_KEYS, event);
    if (!key || !this.act(key, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  private act(key: keyof typeof FEATURE_KEYS, name: string): boolean {
    const { drawing, layout, events, stage } = this;
    if (!drawing || !layout) return false;
    const { data, chosen } = drawing;
    if (key === 'fit') this.fit();
    else if (key === 'closer' || key === 'farther') {
      const step = key === 'closer' ? 1 : -1;
      stage.move(zoomStep(stage.camera, step, this.middle(chosen), layout, stage.size));
    } else if (key === 'walk') {
      const edge = chosen === null ? undefined : data.edgeOf.get(chosen);
      const direction = ARROWS[name] ?? 'right';
      const from = edge ? (direction === 'up' ? edge.source : edge.target) : chosen;
      const next = neighbour({ data, layout }, from, direction);
      if (next !== null) this.go(next);
    } else if (chosen === null) return false;
    else if (key === 'edge') {
      const next = nextEdge(data, chosen);
      if (next !== null) this.go(next);
    } else if (key === 'open' && events.open) events.open(chosen);
    else if (key === 'mark' && events.mark && data.nodeOf.has(chosen)) events.mark(chosen);
    else return false;
    return true;
  }

  private go(id: string): void {
    const { drawing, layout, stage, events } = this;
    events.choose(id);
    const place = layout?.places.get(drawing?.data.edgeOf.get(id)?.target ?? id);
    if (!layout || !place) return;
    const camera = reveal(stage.camera, place, layout, stage.size);
    if (camera.x !== stage.camera.x || camera.y !== stage.camera.y) stage.move(camera);
  }

  private middle(id: string | null): Point | null {
    const place = id === null ? undefined : this.layout?.places.get(id);
    return place ? toScreen(this.stage.camera, place) : null;
  }
}

function isIn(data: GraphData, id: string): boolean {
  return data.nodeOf.has(id) || data.edgeOf.has(id);
}

const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};
