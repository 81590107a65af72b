/** The grid as a canvas that scrolls under fixed row labels; for assistive technology, a grid of one cell that moves. */
import {
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  type KeyboardEvent,
  type RefObject,
} from 'react';
import { isSubblock, parseRow, rowLabel } from '../../shared/text/address';
import type { Cursor, Frame } from '../../draw/heatgrid';
import { shownSide, type Lens, type LensSide } from '../../draw/lens/data';
import type { Painted } from '../../draw/lens/paint';
import { cellSentence } from '../../draw/lens/text';
import type { Spec } from '../../shared/text/url';
import { rowHeight, tickStep } from '../../draw/zoom';
import { pressed } from '../../shared/keys';
import { inspect } from '../../shared/state/rows';
import { hidePeek } from '../../shared/state/peek';
import { change, useSpec, useStore } from '../../shared/state/store';
import { port } from '../../shared/state/zoom';
import type { Experiment } from '../../shared/state/experiment';
import { GUTTER } from '../../shared/parts/layout';
import { GRID_KEYS, GRID_STEPS } from './lensKeys';
import { useGridPointer, useHoverPeek } from './useGridPointer';
import { flipper } from '../../draw/lens/cells';
import { useCells, useDrawing } from './useLensDrawing';
import { useWheel } from '../../shared/parts/useWheel';

interface Props {
  lens: Lens;
  painted: Painted;
  mode: Spec['mode'];
  experiment: Experiment;
  cellWidth: number;
  /** Height that the grid may take, px. */
  room: number;
}

export function LensCanvas({ lens, painted, mode, experiment, cellWidth, room }: Props) {
  const spec = useSpec();
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(scroller);
  const scrollX = useStore((state) => state.scrollX);
  const scrollY = useStore((state) => state.scrollY);
  const flip = flipper(lens, spec.flipped);
  const cells = useCells(lens, painted, mode, spec.flipped);
  const height = rowHeight(cellWidth, lens.rows, room);
  const cursor = {
    row: flip(chosenRow(lens, spec.row)),
    column: Math.min(experiment.position ?? 0, lens.length - 1),
  };
  const frame: Frame = {
    cellWidth,
    rowHeight: height,
    scrollX,
    scrollY,
    width: Math.max(0, size.width - GUTTER),
    height: Math.min(size.height, lens.rows * height),
    ratio: devicePixelRatio,
  };
  useScrolling(scroller, cursor, frame);
  useWheel(scroller, GUTTER);
  useLayoutEffect(() => {
    Object.assign(port, { rows: lens.rows, height: room });
  }, [lens.rows, room]);
  const go = (at: Cursor) => {
    const row = lens.meta.rows[flip(at.row)];
    change({ position: at.column, ...(row === undefined ? {} : { row }) }, 'replace');
  };
  const pointer = useGridPointer(scroller, frame, lens.rows, lens.length, go);
  useDrawing(canvas, cells, frame, cursor, pointer.hover);
  useHoverPeek(canvas, pointer.hover, frame, lens, mode, flip);
  return (
    <div
      ref={scroller}
      className="lens-grid"
      role="grid"
      tabIndex={0}
      aria-label="Logit lens: rows are layers, columns are tokens"
      aria-rowcount={lens.rows}
      aria-colcount={lens.length}
      aria-activedescendant="lens-cell"
      data-testid="lens-grid"
      onScroll={(event) => {
        const { scrollLeft, scrollTop } = event.currentTarget;
        useStore.setState({ scrollX: scrollLeft, scrollY: scrollTop });
        hidePeek();
      }}
      onKeyDown={(event) => onKey(event, cursor, lens, go)}
    >
      <div
        className="lens-space"
        role="presentation"
        style={{
          width: GUTTER + lens.length * cellWidth,
          height: lens.rows * height,
          gridTemplateColumns: `${GUTTER}px 1fr`,
        }}
      >
        <RowLabels
          lens={lens}
          flipped={spec.flipped}
          chosen={cursor.row}
          height={height}
          onChoose={(row) => go({ row, column: cursor.column })}
        />
        <canvas
          ref={canvas}
          aria-hidden="true"
          data-testid="lens-canvas"
          className={pointer.dragging ? 'dragging' : ''}
          style={{ width: frame.width, height: frame.height, left: GUTTER }}
          {...pointer.handlers}
          onDoubleClick={() => inspect()}
        />
      </div>
      <ActiveCell
        lens={lens}
        side={shownSide(lens, mode).values}
        row={flip(cursor.row)}
        display={cursor}
      />
    </div>
  );
}

interface ActiveProps {
  lens: Lens;
  side: LensSide;
  row: number;
  display: Cursor;
}

/** The one cell that assistive technology sees; it follows the cursor, and is read out. */
function ActiveCell({ lens, side, row, display }: ActiveProps) {
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
        {cellSentence(lens, side, row, display.column)}
      </div>
    </div>
  );
}

interface LabelProps {
  lens: Lens;
  flipped: boolean;
  chosen: number;
  height: number;
  onChoose: (row: number) => void;
}

/** Where rows are lower than a line of text, only some have their name, at even distances. */
function RowLabels({ lens, flipped, chosen, height, onChoose }: LabelProps) {
  const names = flipped ? lens.meta.rows : lens.meta.rows.toReversed();
  const every = tickStep(height, 11);
  const named = (row: number) => (flipped ? row : lens.rows - 1 - row) % every === 0;
  return (
    <div className="lens-labels" role="presentation" aria-hidden="true">
      {names.map((name, row) => {
        const place = parseRow(name);
        return (
          <button
            key={name}
            type="button"
            tabIndex={-1}
            className={`${row === chosen ? 'chosen' : ''} ${place && isSubblock(place) ? 'sub' : ''}`}
            style={{ height, lineHeight: `${height}px` }}
            title={name}
            onClick={() => onChoose(row)}
          >
            {named(row) ? rowLabel(name) : ''}
          </button>
        );
      })}
    </div>
  );
}

/** Follows the strip and the zoom, and keeps the chosen cell in sight when it moves. */
function useScrolling(scroller: RefObject<HTMLDivElement | null>, cursor: Cursor, frame: Frame) {
  const { scrollX, scrollY, height, rowHeight: rowPixels, cellWidth } = frame;
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    if (Math.abs(box.scrollLeft - scrollX) > 1) box.scrollLeft = scrollX;
    if (Math.abs(box.scrollTop - scrollY) > 1) box.scrollTop = scrollY;
    if (scrollY - box.scrollTop > 1) useStore.setState({ scrollY: box.scrollTop });
    // What can be scrolled to depends on the sizes, too.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [scroller, scrollX, scrollY, cellWidth, height]);
  const pixels = useRef(rowPixels);
  useLayoutEffect(() => {
    pixels.current = rowPixels;
  }, [rowPixels]);
  const laidOut = height > 0;
  useEffect(() => {
    const box = scroller.current;
    if (!box || !laidOut) return;
    const top = cursor.row * pixels.current;
    const bottom = top + pixels.current;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
    // Not at each height of the rows: a zoom keeps its own place.
  }, [scroller, cursor.row, laidOut]);
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
  const last = rows.length - 1;
  if (name === null) return last;
  const found = rows.indexOf(name);
  const wanted = parseRow(name);
  if (found >= 0 || !wanted) return found >= 0 ? found : last;
  const depth = (row: string) => {
    const place = parseRow(row);
    if (!place || row === 'embed' || place.site === 'resid_pre') return 2 * (place?.layer ?? 0) - 1;
    return 2 * place.layer + (isSubblock(place) ? 0 : 1);
  };
  const near = rows.findIndex((row) => depth(row) >= depth(name));
  return near >= 0 ? near : last;
}

function onKey(event: KeyboardEvent, cursor: Cursor, lens: Lens, go: (at: Cursor) => void): void {
  const [rows, columns] = (pressed(GRID_KEYS, event) && GRID_STEPS[event.key]) ?? [0, 0];
  if (rows === 0 && columns === 0) return;
  event.preventDefault();
  const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
  go({
    row: clamp(cursor.row + rows, lens.rows),
    column: clamp(cursor.column + columns, lens.length),
  });
}
