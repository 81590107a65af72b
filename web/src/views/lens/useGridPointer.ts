/** What the pointer does on the grid: shows the cell under it, chooses it, drags the grid. */
import { useEffect, useState, type PointerEvent, type RefObject } from 'react';
import { cellAt, type Cursor, type Frame } from '../../draw/heatgrid';
import type { Lens } from '../../draw/lens/data';
import type { Spec } from '../../shared/text/url';
import { hidePeek, showPeek } from '../../shared/state/peek';
import { lensCard } from '../../draw/lens/card';
import { useDrag } from '../../shared/parts/useDrag';

type Pointer = PointerEvent<HTMLElement>;

interface GridPointer {
  hover: Cursor | null;
  dragging: boolean;
  handlers: ReturnType<typeof useDrag>['handlers'] & { onPointerLeave: () => void };
}

/** Cells are counted as displayed. */
export function useGridPointer(
  scroller: RefObject<HTMLElement | null>,
  frame: Frame,
  rows: number,
  columns: number,
  choose: (at: Cursor) => void,
): GridPointer {
  const [hover, setHover] = useState<Cursor | null>(null);
  const under = (event: Pointer) => {
    const box = event.currentTarget.getBoundingClientRect();
    return cellAt(frame, rows, columns, event.clientX - box.left, event.clientY - box.top);
  };
  const { dragging, handlers } = useDrag(scroller, (event) => {
    const at = under(event);
    if (at) choose(at);
  });
  return {
    hover,
    dragging,
    handlers: {
      ...handlers,
      onPointerMove: (event) => {
        handlers.onPointerMove(event);
        const at = dragging ? null : under(event);
        setHover((before) => (same(before, at) ? before : at));
      },
      onPointerLeave: () => setHover(null),
    },
  };
}

function same(one: Cursor | null, other: Cursor | null): boolean {
  return one?.row === other?.row && one?.column === other?.column;
}

/** The pop-up beside the cell under the pointer; none where that was not read. */
export function useHoverPeek(
  canvas: RefObject<HTMLElement | null>,
  hover: Cursor | null,
  frame: Frame,
  lens: Lens,
  mode: Spec['mode'],
  source: (row: number) => number,
): void {
  useEffect(() => {
    const column = hover ? (lens.columnOf[hover.column] ?? -1) : -1;
    const box = canvas.current?.getBoundingClientRect();
    if (!hover || !box || column < 0) return hidePeek();
    const left = box.left + hover.column * frame.cellWidth - frame.scrollX;
    const top = box.top + hover.row * frame.rowHeight - frame.scrollY;
    showPeek(
      { left, top, right: left + frame.cellWidth, bottom: top + frame.rowHeight },
      lensCard(lens, mode, source(hover.row), column),
    );
    // Scrolling and zooming hide the pop-up; only another cell brings it back.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies, react/exhaustive-deps
  }, [canvas, hover, lens, mode]);
}
