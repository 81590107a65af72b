/** The flow graph as a canvas; for assistive technology, one node at a time that arrow keys move. */
import {
  useEffect,
  useMemo,
  useRef,
  useState,
  type FocusEvent,
  type KeyboardEvent,
  type RefObject,
} from 'react';
import { nodeSentence, pathsOf } from '../core/flow';
import { boxOnScreen, HEADER, reveal, type Point } from '../core/flowCamera';
import { flowColours } from '../core/flowColours';
import { hitAt, neighbour, type Direction } from '../core/flowHit';
import { layOut, UNMOVED, type Moves } from '../core/flowLayout';
import { placeFlow } from '../core/flowPlaces';
import { sidesOf, type FlowDrawing, type Scene } from '../core/flowScene';
import { useFlowPointer, type FlowGestures } from './useFlowPointer';
import { useFlowStage, type Viewport } from './useFlowStage';

export interface FlowCanvasProps extends FlowDrawing {
  /** Another value puts moved nodes back and shows everything. */
  reset: string | number;
  onHover: (id: string | null, at: Point | null) => void;
  onFocus: (id: string | null) => void;
  onOpen: (id: string) => void;
  onCut: (id: string) => void;
  onMenu: (id: string, at: Point) => void;
}

export function FlowCanvas(props: FlowCanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const [moves, setMoves] = useState<Moves>(UNMOVED);
  const [cursor, setCursor] = useState<string | null>(null);
  const scene = useScene(props, moves);
  const viewport = useFlowStage(box, canvas, overlay, scene, props.focus);
  useReset(props.reset, viewport, () => setMoves(UNMOVED));
  const pointer = useFlowPointer(box, viewport, {
    ...gesturesOf(props, scene, viewport),
    drag: (id, dx, dy) => setMoves((before) => moved(before, id, dx, dy)),
  });
  const go = (id: string | null) => {
    setCursor(id);
    viewport.point({ cursor: id });
    const place = id === null ? undefined : scene.layout.boxes.get(id);
    if (place) viewport.move((camera, size) => reveal(camera, place, size));
    props.onHover(id, id === null ? null : beside(box, viewport, scene, id));
  };
  const node = cursor === null ? undefined : scene.side.nodeOf.get(cursor);
  return (
    // An application has keys of its own: it is a widget, whatever the list of roles says.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      ref={box}
      className={`flow-canvas ${pointer.state}`}
      style={{ ...FRAME, cursor: CURSOR[pointer.state] }}
      role="application"
      aria-roledescription="flow graph"
      aria-label="Flow of information: arrow keys go from node to node, Enter opens, x cuts"
      aria-activedescendant={node ? 'flow-node' : undefined}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      data-testid="flow-canvas"
      data-cursor={cursor ?? undefined}
      onKeyDown={(event) => onKey(event, props, scene, viewport, cursor, go, box)}
      onBlur={(event: FocusEvent) => {
        if (event.currentTarget.contains(event.relatedTarget)) return;
        viewport.point({ cursor: null });
        props.onHover(null, null);
      }}
      onFocus={() => viewport.point({ cursor })}
      {...pointer.handlers}
    >
      <canvas ref={canvas} aria-hidden="true" style={LAYER} />
      <canvas ref={overlay} aria-hidden="true" style={LAYER} />
      <div id="flow-node" className="visually-hidden" aria-live="polite" data-testid="flow-node">
        {node ? nodeSentence(node) : ''}
      </div>
    </div>
  );
}

const FRAME = {
  position: 'relative',
  flex: 1,
  minHeight: 0,
  height: '100%',
  overflow: 'hidden',
  touchAction: 'none',
} as const;

const CURSOR = { ground: 'grab', item: 'pointer', dragging: 'grabbing' } as const;

const LAYER = {
  position: 'absolute',
  inset: 0,
  width: '100%',
  height: '100%',
  pointerEvents: 'none',
} as const;

// ------------------------------------------------------------------ what is drawn

function useScene(props: FlowCanvasProps, moves: Moves): Scene {
  const { flow, other, mode, colourBy, palette, theme, hidden, focus, cuts, vocabSize } = props;
  const places = useMemo(() => placeFlow(sidesOf({ flow, other, mode })), [flow, other, mode]);
  const layout = useMemo(() => layOut(places, flow, moves), [places, flow, moves]);
  const compared = mode === 'difference' ? other : null;
  const ghost = useMemo(
    () => (compared ? layOut(places, compared, moves) : null),
    [places, compared, moves],
  );
  const colours = useMemo(
    () => flowColours(palette, theme, vocabSize),
    [palette, theme, vocabSize],
  );
  const lit = useMemo(() => {
    const paths = focus === null ? new Set<string>() : pathsOf(flow, focus);
    return paths.size > 0 ? paths : null;
  }, [flow, focus]);
  return useMemo(
    () => ({
      side: flow,
      other: compared,
      places,
      layout,
      ghost,
      colours,
      colourBy,
      hidden,
      lit,
      cuts,
    }),
    [flow, compared, places, layout, ghost, colours, colourBy, hidden, lit, cuts],
  );
}

function moved(before: Moves, id: string, dx: number, dy: number): Moves {
  const old = before.get(id) ?? { dx: 0, dy: 0 };
  return new Map(before).set(id, { dx: old.dx + dx, dy: old.dy + dy });
}

function useReset(reset: string | number, viewport: Viewport, putBack: () => void): void {
  const last = useRef(reset);
  useEffect(() => {
    if (last.current === reset) return;
    last.current = reset;
    putBack();
    viewport.fit();
  });
}

// ------------------------------------------------------------------ pointer and keys

function gesturesOf(
  props: FlowCanvasProps,
  scene: Scene,
  viewport: Viewport,
): Omit<FlowGestures, 'drag'> {
  return {
    hit: (at) =>
      at.y < HEADER
        ? null
        : hitAt(
            {
              side: scene.side,
              layout: scene.layout,
              camera: viewport.camera(),
              hidden: scene.hidden,
            },
            at,
          ),
    isNode: (id) => scene.side.nodeOf.has(id),
    hover: props.onHover,
    click: (id) => {
      // The drawer that opens makes the window narrower: what was clicked stays where it is.
      if (id !== null) viewport.hold();
      props.onFocus(id);
      if (id !== null) props.onOpen(id);
    },
    doubleClick: (id) => {
      if (id === null) viewport.fit();
      else props.onFocus(id);
    },
    menu: props.onMenu,
  };
}

const ARROWS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};

function onKey(
  event: KeyboardEvent<HTMLElement>,
  props: FlowCanvasProps,
  scene: Scene,
  viewport: Viewport,
  cursor: string | null,
  go: (id: string | null) => void,
  box: RefObject<HTMLElement | null>,
): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!acted(event, props, scene, viewport, cursor, go, box)) return;
  event.preventDefault();
}

function acted(
  event: KeyboardEvent<HTMLElement>,
  props: FlowCanvasProps,
  scene: Scene,
  viewport: Viewport,
  cursor: string | null,
  go: (id: string | null) => void,
  box: RefObject<HTMLElement | null>,
): boolean {
  const direction = ARROWS[event.key];
  const chosen = cursor ?? props.focus;
  if (direction) return walk(scene, chosen, direction, go);
  switch (event.key) {
    case '+':
    case '=':
      viewport.step(1, middle(viewport, scene, chosen));
      return true;
    case '-':
      viewport.step(-1, middle(viewport, scene, chosen));
      return true;
    case '0':
      viewport.fit();
      return true;
    case 'Enter':
      if (chosen === null) return false;
      props.onFocus(chosen);
      props.onOpen(chosen);
      return true;
    case 'x':
      if (chosen === null) return false;
      props.onCut(chosen);
      return true;
    case 'ContextMenu':
      if (chosen === null) return false;
      props.onMenu(chosen, beside(box, viewport, scene, chosen));
      return true;
    case 'Escape':
      if (props.focus === null && cursor === null) return false;
      props.onFocus(null);
      go(null);
      return true;
    default:
      return false;
  }
}

function walk(
  scene: Scene,
  from: string | null,
  direction: Direction,
  go: (id: string | null) => void,
): boolean {
  const { side, layout, hidden } = scene;
  const start = from !== null && side.nodeOf.has(from) ? from : null;
  const next =
    start === null ? side.nodes[0]?.id : neighbour({ side, layout, hidden }, start, direction);
  if (next !== undefined && next !== null) go(next);
  return true;
}

/** Of a node, in px of the window; null where there is none. */
function middle(viewport: Viewport, scene: Scene, id: string | null): Point | null {
  const place = id === null ? undefined : scene.layout.boxes.get(id);
  if (!place) return null;
  const { x, y, width, height } = boxOnScreen(viewport.camera(), place);
  return { x: x + width / 2, y: y + height / 2 };
}

/** The right edge of a node, in px of the page. */
function beside(
  box: RefObject<HTMLElement | null>,
  viewport: Viewport,
  scene: Scene,
  id: string,
): Point {
  const page = box.current?.getBoundingClientRect() ?? { left: 0, top: 0 };
  const place = scene.layout.boxes.get(id);
  if (!place) return { x: page.left, y: page.top };
  const seen = boxOnScreen(viewport.camera(), place);
  return { x: page.left + seen.x + seen.width, y: page.top + seen.y + seen.height / 2 };
}
