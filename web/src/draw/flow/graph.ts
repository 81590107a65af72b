/**
 * The flow graph in a box of the page: what is drawn, and what pointer, wheel and keyboard do with it.
 * For assistive technology it is one node at a time, which arrow keys move.
 */
import { make } from '../dom';
import { isTyping, pressed } from '../keys';
import { listen, watchPresses, within, type Point } from '../press';
import { boxOnScreen, down, HEADER, reveal } from './camera';
import { nodeSentence } from './data';
import { hitAt, neighbour, type Direction } from './hit';
import { GRAPH_KEYS, POINTED_KEYS } from './keys';
import { UNMOVED, type Moves } from './layout';
import { placeFlow, type Places } from './places';
import { sceneOf, sidesOf, type FlowDrawing, type Scene } from './scene';
import { FlowViewport } from './viewport';

export interface FlowEvents {
  /** With a place of the page. */
  hover: (id: string | null, at: Point | null) => void;
  focus: (id: string | null) => void;
  /** Chosen by a click or by Enter, after `focus`. */
  open?: (id: string) => void;
  /** Without it nothing can be cut, and the key is not bound. */
  cut?: (id: string) => void;
  /** null: the ground. Without it the browser has its own. */
  menu?: (id: string | null, at: Point) => void;
}

const WHEEL_MOST = 60;
const WHEEL_PER_PIXEL = 0.0045;
const WHEEL_PER_LINE = 16;

export class FlowGraphView {
  readonly viewport: FlowViewport;
  private readonly spoken: HTMLElement;
  private readonly stops: Array<() => void> = [];
  private drawing: FlowDrawing | null = null;
  private scene: Scene | null = null;
  private places: Places | null = null;
  private moves: Moves = UNMOVED;
  private cursor: string | null = null;
  private hovered: { id: string; at: Point } | null = null;
  /** The node that a drag moves; null: the ground. */
  private held: string | null = null;

  /** `wheel`: "always" zooms; "focused" leaves the page its wheel until the graph is clicked. */
  constructor(
    readonly box: HTMLElement,
    private readonly events: FlowEvents,
    private readonly options: { label: string; wheel: 'always' | 'focused'; id?: string },
  ) {
    this.spoken = make('div', {
      id: options.id ?? 'flow-node',
      class: 'visually-hidden',
      'aria-live': 'polite',
      'data-testid': 'flow-node',
    });
    for (const [name, value] of Object.entries({
      role: 'application',
      tabindex: '0',
      'aria-roledescription': 'flow graph',
      'aria-label': options.label,
      'data-testid': 'flow-canvas',
    }))
      box.setAttribute(name, value);
    box.classList.add('flow-canvas');
    Object.assign(box.style, { position: 'relative', overflow: 'hidden', touchAction: 'none' });
    box.append(this.spoken);
    this.viewport = new FlowViewport(box);
    this.listen();
    this.look('ground');
  }

  show(drawing: FlowDrawing): void {
    const before = this.drawing;
    this.drawing = drawing;
    const { flow, other, mode } = drawing;
    const same = before?.flow === flow && before.other === other && before.mode === mode;
    if (!this.places || !same) this.places = placeFlow(sidesOf(drawing));
    this.compose();
    this.say();
    // Other numbers of what is still pointed at: an edit was made, or the other run is shown.
    const changed = !same || before.cuts !== drawing.cuts;
    if (this.hovered && changed) this.events.hover(this.hovered.id, this.hovered.at);
  }

  /** All is shown again, and what was moved is back in its place. */
  reset(): void {
    this.moves = UNMOVED;
    this.compose();
    this.viewport.fit();
  }

  destroy(): void {
    for (const stop of this.stops) stop();
    this.viewport.destroy();
    this.spoken.remove();
  }

  // -------------------------------------------------------------- what is drawn

  private compose(): void {
    const { drawing, places } = this;
    if (!drawing || !places) return;
    this.scene = sceneOf(drawing, this.moves, places);
    this.viewport.show(this.scene);
  }

  private say(): void {
    const node = this.cursor === null ? undefined : this.scene?.side.nodeOf.get(this.cursor);
    const sentence = node ? nodeSentence(node) : '';
    if (this.spoken.textContent !== sentence) this.spoken.textContent = sentence;
    if (node) {
      this.box.setAttribute('aria-activedescendant', this.spoken.id);
      this.box.dataset['cursor'] = node.id;
    } else {
      this.box.removeAttribute('aria-activedescendant');
      delete this.box.dataset['cursor'];
    }
  }

  private look(state: 'ground' | 'item' | 'dragging'): void {
    this.box.style.cursor = { ground: 'grab', item: 'pointer', dragging: 'grabbing' }[state];
  }

  // -------------------------------------------------------------- pointer

  private listen(): void {
    const { box, events, viewport } = this;
    this.stops.push(
      watchPresses(box, {
        press: (at) => {
          const id = this.hit(at);
          this.held = id !== null && this.scene?.side.nodeOf.has(id) ? id : null;
        },
        click: (at) => this.click(this.hit(at)),
        drag: (from, to) => this.drag(to.x - from.x, to.y - from.y),
        pinch: (factor, at) => viewport.zoom(factor, at),
        hover: (at) => this.hover(at && this.hit(at), at),
        dragging: (on) => this.look(on ? 'dragging' : this.hovered ? 'item' : 'ground'),
      }),
      listen(box, {
        dblclick: (event) => {
          const id = this.hit(within(box, event));
          if (id === null) viewport.fit();
          else events.focus(id);
        },
        contextmenu: (event) => {
          if (!events.menu) return;
          event.preventDefault();
          events.menu(this.hit(within(box, event)), { x: event.clientX, y: event.clientY });
        },
        keydown: (event) => this.onKey(event),
        focus: () => viewport.point({ cursor: this.cursor }),
        blur: () => {
          viewport.point({ cursor: null });
          events.hover(null, null);
        },
      }),
      // Else the page would scroll, too.
      listen(box, { wheel: (event) => this.onWheel(event) }, { passive: false }),
    );
    // Before the page's own keys: what is pointed at is meant, wherever the keyboard is.
    const stop = new AbortController();
    addEventListener('keydown', (event) => this.onPageKey(event), {
      capture: true,
      signal: stop.signal,
    });
    this.stops.push(() => stop.abort());
  }

  private hit(at: Point): string | null {
    if (!this.scene || at.y < HEADER) return null;
    const { side, layout, hidden } = this.scene;
    return hitAt({ side, layout, hidden, camera: this.viewport.camera }, at);
  }

  private hover(id: string | null, at: Point | null): void {
    if ((this.hovered?.id ?? null) === id) return;
    const { left, top } = this.box.getBoundingClientRect();
    const place = at && { x: at.x + left, y: at.y + top };
    this.hovered = id !== null && place ? { id, at: place } : null;
    this.viewport.point({ hover: id });
    this.events.hover(id, place);
    this.look(id === null ? 'ground' : 'item');
  }

  private click(id: string | null): void {
    this.hover(null, null);
    // What opens beside it makes the window narrower: what was clicked stays where it is.
    if (id !== null) this.viewport.hold();
    this.put(id !== null && this.scene?.side.nodeOf.has(id) ? id : null);
    this.events.focus(id);
    if (id !== null) this.events.open?.(id);
  }

  private drag(dx: number, dy: number): void {
    const { held, viewport } = this;
    if (held === null) return viewport.pan(dx, dy);
    const { camera } = viewport;
    const old = this.moves.get(held) ?? { dx: 0, dy: 0 };
    const moved = { dx: old.dx + dx / camera.zoom, dy: old.dy + dy / down(camera) };
    this.moves = new Map(this.moves).set(held, moved);
    this.compose();
  }

  private onWheel(event: WheelEvent): void {
    const wanted = event.ctrlKey || event.metaKey || this.options.wheel === 'always';
    if (!wanted && !this.box.matches(':focus')) return;
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_PER_LINE : 1;
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (sideways) return this.viewport.pan(-unit * (event.deltaX || event.deltaY), 0);
    const turned = Math.max(-WHEEL_MOST, Math.min(WHEEL_MOST, unit * event.deltaY));
    // A pinch of a track pad comes as Ctrl and small steps.
    const speed = event.ctrlKey ? 2 * WHEEL_PER_PIXEL : WHEEL_PER_PIXEL;
    this.viewport.zoom(Math.exp(-turned * speed), within(this.box, event));
  }

  // -------------------------------------------------------------- keyboard

  private onPageKey(event: KeyboardEvent): void {
    const { cut } = this.events;
    if (!cut || !this.hovered || pressed(POINTED_KEYS, event) === null) return;
    if (document.querySelector('dialog[open]') || isTyping(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    cut(this.hovered.id);
  }

  private onKey(event: KeyboardEvent): void {
    const key = event.defaultPrevented ? null : pressed(GRAPH_KEYS, event);
    if (key === null) return;
    const chosen = this.cursor ?? this.drawing?.focus ?? null;
    if (key === 'walk') this.go(this.next(chosen, ARROWS[event.key] ?? 'right') ?? this.cursor);
    else if (!this.zoomed(key, chosen) && !this.acted(key, chosen)) return;
    event.preventDefault();
  }

  /** The first arrow goes to the first node, or on from what is in focus. */
  private next(from: string | null, direction: Direction): string | null {
    if (!this.scene) return null;
    const { side, layout, hidden } = this.scene;
    if (from === null || !side.nodeOf.has(from)) return side.nodes[0]?.id ?? null;
    return neighbour({ side, layout, hidden }, from, direction);
  }

  private zoomed(key: GraphKey, chosen: string | null): boolean {
    const { viewport } = this;
    if (key === 'fit') viewport.fit();
    else if (key === 'closer') viewport.step(1, this.middle(chosen));
    else if (key === 'farther') viewport.step(-1, this.middle(chosen));
    else return false;
    return true;
  }

  /** False: there is nothing to act on, and the page has its turn. */
  private acted(key: GraphKey, chosen: string | null): boolean {
    const { events } = this;
    if (chosen === null) return false;
    if (key === 'open') {
      events.focus(chosen);
      events.open?.(chosen);
    } else if (key === 'leave') {
      events.focus(null);
      this.go(null);
    } else if (key === 'cut' && events.cut) events.cut(chosen);
    else if (key === 'menu' && events.menu) events.menu(chosen, this.beside(chosen));
    else return false;
    return true;
  }

  private put(id: string | null): void {
    this.cursor = id;
    this.viewport.point({ cursor: id });
    this.say();
  }

  private go(id: string | null): void {
    this.put(id);
    const place = id === null ? undefined : this.scene?.layout.boxes.get(id);
    if (place) this.viewport.move((camera, size) => reveal(camera, place, size));
    this.events.hover(id, id === null ? null : this.beside(id));
  }

  /** Of a node, in px of the window; null where there is none. */
  private middle(id: string | null): Point | null {
    const place = id === null ? undefined : this.scene?.layout.boxes.get(id);
    if (!place) return null;
    const { x, y, width, height } = boxOnScreen(this.viewport.camera, place);
    return { x: x + width / 2, y: y + height / 2 };
  }

  /** The right edge of a node, in px of the page. */
  private beside(id: string): Point {
    const { left, top } = this.box.getBoundingClientRect();
    const place = this.scene?.layout.boxes.get(id);
    if (!place) return { x: left, y: top };
    const seen = boxOnScreen(this.viewport.camera, place);
    return { x: left + seen.x + seen.width, y: top + seen.y + seen.height / 2 };
  }
}

type GraphKey = keyof typeof GRAPH_KEYS;

const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};
