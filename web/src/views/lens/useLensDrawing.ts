/** The grid in display order, and its drawing: once per frame, whatever changed. */
import { useEffect, useMemo, useRef, type RefObject } from 'react';
import {
  HeatGrid,
  type Cursor,
  type Frame,
  type HeatCells,
  type HeatStyle,
} from '../../draw/heatgrid';
import { changedCells, type Lens } from '../../draw/lens/data';
import type { Painted } from '../../draw/lens/paint';
import type { Spec } from '../../shared/text/url';

/** Display row of a row of the lens, and back: bottom up unless turned round. */
export function flipper(lens: Lens, flipped: boolean): (row: number) => number {
  return (row) => (flipped ? row : lens.rows - 1 - row);
}

/** One column for each position of the prompt: those that were not read stay empty. */
export function displayCells(
  lens: Lens,
  painted: Painted,
  mode: Spec['mode'],
  flipped: boolean,
): HeatCells {
  const { rows, columns, length, columnOf } = lens;
  const source = flipper(lens, flipped);
  const colours = new Uint32Array(rows * length);
  const marks = mode === 'difference' ? new Uint8Array(rows * length) : null;
  const changed = marks ? changedCells(lens) : null;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = source(row) * columns + column;
      const to = row * length + (lens.meta.positions[column] ?? 0);
      colours[to] = painted.colours[from] ?? 0;
      if (marks) marks[to] = changed?.[from] ?? 0;
    }
  }
  return {
    rows,
    columns: length,
    colours,
    marks,
    numeric: painted.numeric,
    label: (row, position) => {
      const column = columnOf[position] ?? -1;
      return column < 0 ? '' : painted.label(source(row), column);
    },
  };
}

export function useCells(
  lens: Lens,
  painted: Painted,
  mode: Spec['mode'],
  flipped: boolean,
): HeatCells {
  return useMemo(() => displayCells(lens, painted, mode, flipped), [lens, painted, mode, flipped]);
}

export function heatStyle(element: Element): HeatStyle {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    ground: read('--ground'),
    text: read('--text-2'),
    darkText: '#111110',
    lightText: '#fbfbfa',
    accent: read('--accent'),
    font: `11px ${read('--mono')}`,
  };
}

export function useDrawing(
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
      grid.current.draw(frame, heatStyle(element), cursor, hover);
    });
    return () => cancelAnimationFrame(request);
    // The frame and the cursors are new objects at each render, and each render is to be drawn.
  }, [canvas, cells, frame, cursor, hover]);
}
