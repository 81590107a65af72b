/** Choosing on the strip: a click takes a token, a drag or Shift a range of them. */
import { useRef, useState, type PointerEvent } from 'react';
import { span } from '../../draw/strip';
import { change } from '../state/store';

/** px from an edge at which a drag scrolls on. */
const EDGE = 32;
const EDGE_STEP = 12;

/** Which tokens a view reads, and how others are chosen; absent where a view reads all. */
export interface Range {
  shown: readonly number[];
  choose: (positions: number[]) => void;
}

interface Brush {
  /** First and last token under a drag, in the order of the drag. */
  marked: [from: number, to: number] | null;
  extend: (step: number) => void;
  handlers: {
    onPointerDown: (event: PointerEvent<HTMLElement>) => void;
    onPointerMove: (event: PointerEvent<HTMLElement>) => void;
    onPointerUp: (event: PointerEvent<HTMLElement>) => void;
    onPointerCancel: () => void;
  };
}

export function useBrush(
  columns: number,
  cellWidth: number,
  position: number | null,
  range: Range | undefined,
): Brush {
  const start = useRef<number | null>(null);
  const [marked, setMarked] = useState<Brush['marked']>(null);
  const at = (event: PointerEvent<HTMLElement>): number => {
    const box = event.currentTarget;
    const x = event.clientX - box.getBoundingClientRect().left + box.scrollLeft;
    return Math.max(0, Math.min(columns - 1, Math.floor(x / cellWidth)));
  };
  const finish = (from: number, to: number) => {
    if (range && from !== to) range.choose(span(from, to));
    else change({ position: to }, 'replace');
  };
  return {
    marked,
    extend: (step) => {
      if (range) range.choose(extended(range.shown, position ?? 0, step, columns));
    },
    handlers: {
      onPointerDown: (event) => {
        if (event.button !== 0 || columns === 0 || onScrollBar(event)) return;
        if (event.shiftKey && range) finish(position ?? 0, at(event));
        else start.current = at(event);
      },
      onPointerMove: (event) => {
        if (event.buttons === 0) start.current = null;
        if (start.current === null || !range || event.pointerType === 'touch') return;
        const to = at(event);
        if (to === start.current && !marked) return;
        // Taken only now: a click must still reach the token under it.
        event.currentTarget.setPointerCapture(event.pointerId);
        scrollAtEdges(event);
        setMarked([start.current, to]);
      },
      onPointerUp: (event) => {
        const from = start.current;
        start.current = null;
        setMarked(null);
        if (from === null) return;
        finish(marked ? from : at(event), at(event));
      },
      onPointerCancel: () => {
        start.current = null;
        setMarked(null);
      },
    },
  };
}

/** The end of the range that the chosen position is at moves; one that reads all starts there. */
function extended(
  shown: readonly number[],
  position: number,
  step: number,
  columns: number,
): number[] {
  const [first, last] = [shown[0] ?? position, shown.at(-1) ?? position];
  const all = shown.length === columns;
  const clamp = (at: number) => Math.max(0, Math.min(columns - 1, at));
  if (all) return span(position, clamp(position + step));
  return step > 0 ? span(first, clamp(last + step)) : span(first, Math.max(first, last + step));
}

function onScrollBar(event: PointerEvent<HTMLElement>): boolean {
  const box = event.currentTarget;
  return event.clientY > box.getBoundingClientRect().top + box.clientHeight;
}

function scrollAtEdges(event: PointerEvent<HTMLElement>): void {
  const box = event.currentTarget;
  const { left, right } = box.getBoundingClientRect();
  if (event.clientX < left + EDGE) box.scrollLeft -= EDGE_STEP;
  else if (event.clientX > right - EDGE) box.scrollLeft += EDGE_STEP;
}
