/** The flow graph as a canvas; for assistive technology, one node at a time that arrow keys move. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { nodeSentence, pathsOf } from '../../draw/flow/data';
import { HEADER } from '../../draw/flow/camera';
import { flowColours } from '../../draw/flow/colours';
import { hitAt } from '../../draw/flow/hit';
import { layOut, UNMOVED, type Moves } from '../../draw/flow/layout';
import { placeFlow } from '../../draw/flow/places';
import { sidesOf, type Scene } from '../../draw/flow/scene';
import type { FlowCanvasProps } from './flowCanvasProps';
import { useFlowKeys } from './useFlowKeys';
import { useFlowPointer, type FlowGestures } from './useFlowPointer';
import { useFlowStage, type Viewport } from './useFlowStage';

export function FlowCanvas(props: FlowCanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const [moves, setMoves] = useState<Moves>(UNMOVED);
  const scene = useScene(props, moves);
  const viewport = useFlowStage(box, canvas, overlay, scene, props.focus);
  useReset(props.reset, viewport, () => setMoves(UNMOVED));
  const keys = useFlowKeys({ box, viewport, scene, props });
  const pointer = useFlowPointer(box, viewport, {
    ...gesturesOf(props, scene, viewport, keys.place),
    drag: (id, dx, dy) => setMoves((before) => moved(before, id, dx, dy)),
  });
  const node = keys.cursor === null ? undefined : scene.side.nodeOf.get(keys.cursor);
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
      data-cursor={keys.cursor ?? undefined}
      {...keys.handlers}
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
      focus,
      lit,
      cuts,
    }),
    [flow, compared, places, layout, ghost, colours, colourBy, hidden, focus, lit, cuts],
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

// ------------------------------------------------------------------ pointer

function gesturesOf(
  props: FlowCanvasProps,
  scene: Scene,
  viewport: Viewport,
  place: (id: string | null) => void,
): Omit<FlowGestures, 'drag'> {
  const { side, layout, hidden } = scene;
  return {
    hit: (at) =>
      at.y < HEADER ? null : hitAt({ side, layout, hidden, camera: viewport.camera() }, at),
    isNode: (id) => side.nodeOf.has(id),
    hover: props.onHover,
    click: (id) => {
      // The drawer that opens makes the window narrower: what was clicked stays where it is.
      if (id !== null) viewport.hold();
      place(id);
      props.onFocus(id);
      if (id !== null) props.onOpen(id);
    },
    doubleClick: (id) => {
      if (id === null) viewport.fit();
      else props.onFocus(id);
    },
    menu: props.onMenu,
    cut: props.onCut,
  };
}
