/** The grid as a canvas that scrolls under fixed row labels; for assistive technology, a grid of one cell that moves. */
import {
  useEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type MouseEvent,
  type RefObject,
} from 'react';
import { rowLabel } from '../core/address';
import { nats, probability, rank } from '../core/format';
import { cellAt, HeatGrid, type Cursor, type Frame, type HeatCells } from '../core/heatgrid';
import {
  cell,
  cellSentence,
  changedCells,
  topLabel,
  type Lens,
  type Painted,
  type SideName,
} from '../core/lens';
import type { Spec } from '../core/url';
import { inspect } from '../state/keyboard';
import { hidePeek, showPeek, type PeekContent, type PeekSide } from '../state/peek';
import { change, useSpec, useStore } from '../state/store';
import type { Experiment } from './experiment';
import { GUTTER, ROW_HEIGHT } from './layout';

interface Props {
  lens: Lens;
  painted: Painted;
  mode: Spec['mode'];
  experiment: Experiment;
  cellWidth: number;
}

export function LensCanvas({ lens, painted, mode, experiment, cellWidth }: Props) {
  const spec = useSpec();
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(scroller);
  const [scrollY, setScrollY] = useState(0);
  const scrollX = useStore((state) => state.scrollX);
  const [hover, setHover] = useState<Cursor | null>(null);
  const shown: SideName = lens.edited && mode !== 'baseline' ? 'edited' : 'baseline';
  const flip = (row: number) => (spec.flipped ? row : lens.rows - 1 - row);
  const cells = useCells(lens, painted, mode, shown, spec.flipped);
  const cursor = {
    row: flip(chosenRow(lens, spec.row)),
    column: Math.min(experiment.position ?? 0, lens.columns - 1),
  };
  const frame: Frame = {
    cellWidth,
    rowHeight: ROW_HEIGHT,
    scrollX,
    scrollY,
    width: Math.max(0, size.width - GUTTER),
    height: size.height,
    ratio: devicePixelRatio,
  };
  useDrawing(canvas, cells, frame, cursor, hover);
  useScrolling(scroller, scrollX, cursor, frame);
  const go = (at: Cursor) => {
    const row = lens.meta.rows[flip(at.row)];
    change({ position: at.column, ...(row === undefined ? {} : { row }) }, 'replace');
  };
  const onMove = (event: MouseEvent<HTMLCanvasElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = cellAt(
      frame,
      lens.rows,
      lens.columns,
      event.clientX - box.left,
      event.clientY - box.top,
    );
    setHover(at);
    if (!at) return hidePeek();
    const left = box.left + at.column * cellWidth - scrollX;
    const top = box.top + at.row * ROW_HEIGHT - scrollY;
    showPeek(
      { left, top, right: left + cellWidth, bottom: top + ROW_HEIGHT },
      peekContent(lens, mode, flip(at.row), at.column),
    );
  };
  return (
    <div
      ref={scroller}
      className="lens-grid"
      role="grid"
      tabIndex={0}
      aria-label="Logit lens: rows are layers, columns are tokens"
      aria-rowcount={lens.rows}
      aria-colcount={lens.columns}
      aria-activedescendant="lens-cell"
      data-testid="lens-grid"
      onScroll={(event) => {
        setScrollY(event.currentTarget.scrollTop);
        useStore.setState({ scrollX: event.currentTarget.scrollLeft });
        hidePeek();
      }}
      onKeyDown={(event) => onKey(event, cursor, lens, go)}
    >
      <div
        className="lens-space"
        role="presentation"
        style={{
          width: GUTTER + lens.columns * cellWidth,
          height: lens.rows * ROW_HEIGHT,
          gridTemplateColumns: `${GUTTER}px 1fr`,
        }}
      >
        <RowLabels
          lens={lens}
          flipped={spec.flipped}
          chosen={cursor.row}
          onChoose={(row) => go({ row, column: cursor.column })}
        />
        <canvas
          ref={canvas}
          aria-hidden="true"
          data-testid="lens-canvas"
          style={{ width: frame.width, height: frame.height, left: GUTTER }}
          onMouseMove={onMove}
          onMouseLeave={() => {
            setHover(null);
            hidePeek();
          }}
          onClick={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            const at = cellAt(
              frame,
              lens.rows,
              lens.columns,
              event.clientX - box.left,
              event.clientY - box.top,
            );
            if (at) go(at);
          }}
          onDoubleClick={() => inspect()}
        />
      </div>
      <ActiveCell lens={lens} side={shown} row={flip(cursor.row)} display={cursor} />
    </div>
  );
}

/** The one cell that assistive technology sees; it follows the cursor, and is read out. */
function ActiveCell({
  lens,
  side,
  row,
  display,
}: {
  lens: Lens;
  side: SideName;
  row: number;
  display: Cursor;
}) {
  const values = lens[side] ?? lens.baseline;
  return (
    <div role="row" aria-rowindex={display.row + 1} className="visually-hidden">
      <div
        role="gridcell"
        id="lens-cell"
        aria-colindex={display.column + 1}
        aria-selected="true"
        aria-live="polite"
        data-testid="lens-cell"
      >
        {cellSentence(lens, values, row, display.column)}
      </div>
    </div>
  );
}

interface LabelProps {
  lens: Lens;
  flipped: boolean;
  chosen: number;
  onChoose: (row: number) => void;
}

function RowLabels({ lens, flipped, chosen, onChoose }: LabelProps) {
  const names = flipped ? lens.meta.rows : lens.meta.rows.toReversed();
  return (
    <div className="lens-labels" role="presentation" aria-hidden="true">
      {names.map((name, row) => (
        <button
          key={name}
          type="button"
          tabIndex={-1}
          className={`${row === chosen ? 'chosen' : ''} ${name.endsWith('resid_mid') ? 'sub' : ''}`}
          style={{ height: ROW_HEIGHT }}
          title={name}
          onClick={() => onChoose(row)}
        >
          {rowLabel(name)}
        </button>
      ))}
    </div>
  );
}

function useCells(
  lens: Lens,
  painted: Painted,
  mode: Spec['mode'],
  shown: SideName,
  flipped: boolean,
): HeatCells {
  return useMemo(() => {
    const { rows, columns } = lens;
    const values = lens[shown] ?? lens.baseline;
    const source = (row: number) => (flipped ? row : rows - 1 - row);
    const reorder = <Out extends Uint32Array | Uint8Array>(from: Out, into: Out): Out => {
      for (let row = 0; row < rows; row++)
        into.set(from.subarray(source(row) * columns, (source(row) + 1) * columns), row * columns);
      return into;
    };
    return {
      rows,
      columns,
      colours: reorder(painted.colours, new Uint32Array(rows * columns)),
      label: (row, column) => topLabel(lens, values, source(row), column),
      marks:
        mode === 'difference' ? reorder(changedCells(lens), new Uint8Array(rows * columns)) : null,
    };
  }, [lens, painted, mode, shown, flipped]);
}

function useDrawing(
  canvas: RefObject<HTMLCanvasElement | null>,
  cells: HeatCells,
  frame: Frame,
  cursor: Cursor,
  hover: Cursor | null,
): void {
  const grid = useRef<HeatGrid | null>(null);
  const held = useRef<HeatCells | null>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const request = requestAnimationFrame(() => {
      grid.current ??= new HeatGrid(element);
      if (held.current !== cells) grid.current.setCells(cells);
      held.current = cells;
      const style = getComputedStyle(element);
      const read = (name: string) => style.getPropertyValue(name).trim();
      const colours = {
        ground: read('--ground'),
        darkText: '#111110',
        lightText: '#fbfbfa',
        accent: read('--accent'),
      };
      grid.current.draw(frame, { ...colours, font: `11px ${read('--mono')}` }, cursor, hover);
    });
    return () => cancelAnimationFrame(request);
    // The frame and the cursors are new objects at each render, and each render is to be drawn.
  }, [canvas, cells, frame, cursor, hover]);
}

/** Follows the strip, and keeps the chosen cell in sight when it moves. */
function useScrolling(
  scroller: RefObject<HTMLDivElement | null>,
  scrollX: number,
  cursor: Cursor,
  frame: Frame,
): void {
  useEffect(() => {
    const box = scroller.current;
    if (box && Math.abs(box.scrollLeft - scrollX) > 1) box.scrollLeft = scrollX;
  }, [scroller, scrollX]);
  const { height, rowHeight } = frame;
  useEffect(() => {
    const box = scroller.current;
    if (!box || height === 0) return;
    const top = cursor.row * rowHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + rowHeight > box.scrollTop + height) box.scrollTop = top + rowHeight - height;
  }, [scroller, cursor.row, height, rowHeight]);
}

function useSize(place: RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      setSize({ width: element.clientWidth, height: element.clientHeight });
      useStore.setState({ scrollBar: element.offsetWidth - element.clientWidth });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      useStore.setState({ scrollBar: 0 });
    };
  }, [place]);
  return size;
}

/** Index of the chosen row; sites that the grid has no row of stand for the nearest that it has. */
function chosenRow(lens: Lens, name: string | null): number {
  const { rows } = lens.meta;
  if (name === null) return rows.length - 1;
  const found = rows.indexOf(name);
  if (found >= 0) return found;
  const layer = /^L(\d+)\.(resid_\w+)$/.exec(name);
  if (!layer) return rows.length - 1;
  const at = Number(layer[1]);
  const near =
    layer[2] === 'resid_pre' ? (at === 0 ? 'embed' : `L${at - 1}.resid_post`) : `L${at}.resid_post`;
  const index = rows.indexOf(near);
  return index >= 0 ? index : rows.length - 1;
}

function onKey(event: KeyboardEvent, cursor: Cursor, lens: Lens, go: (at: Cursor) => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step: Record<string, [number, number]> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    Home: [0, -lens.columns],
    End: [0, lens.columns],
    PageUp: [-lens.rows, 0],
    PageDown: [lens.rows, 0],
  };
  const move = step[event.key];
  if (!move) return;
  event.preventDefault();
  const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
  go({
    row: clamp(cursor.row + move[0], lens.rows),
    column: clamp(cursor.column + move[1], lens.columns),
  });
}

function peekContent(lens: Lens, mode: Spec['mode'], row: number, column: number): PeekContent {
  const sides: SideName[] = !lens.edited
    ? ['baseline']
    : mode === 'difference'
      ? ['baseline', 'edited']
      : [mode];
  return {
    title: `${rowLabel(lens.meta.rows[row] ?? '')} · position ${column} ${lens.meta.tokens[column]?.label ?? ''}`,
    sides: sides.map((side): PeekSide => {
      const here = cell(lens, lens[side] ?? lens.baseline, row, column);
      return {
        side,
        top: here.top.map((entry) => ({
          label: entry.token.label,
          probability: entry.probability,
        })),
        facts: [
          [here.target.label, `${probability(here.probability)}  ${rank(here.rank)}`],
          ['entropy', `${nats(here.entropy)} nats`],
          ['KL to final', `${nats(here.kl)} nats`],
        ],
      };
    }),
  };
}
