/** The grid in display order, and its drawing: once per frame, whatever changed. */
import { useEffect, useMemo, useRef, type RefObject } from 'react';
import { HeatGrid, type Cursor, type Frame, type HeatCells } from '../../draw/heatgrid';
import { displayCells } from '../../draw/lens/cells';
import type { Lens } from '../../draw/lens/data';
import { heatStyle } from '../../draw/lens/grid';
import type { Painted } from '../../draw/lens/paint';
import type { Spec } from '../../shared/text/url';

export function useCells(
  lens: Lens,
  painted: Painted,
  mode: Spec['mode'],
  flipped: boolean,
): HeatCells {
  const marked = mode === 'difference';
  return useMemo(
    () => displayCells(lens, painted, marked, flipped),
    [lens, painted, marked, flipped],
  );
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
