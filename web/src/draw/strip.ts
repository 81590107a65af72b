/** Which tokens of the strip are drawn, and how a person marks a range of them. */
import { tickStep } from './zoom';

/** Narrower tokens have no text: numbers at even distances stand for them. */
export const LABEL_FROM_WIDTH = 16;
const MARGIN = 4;
const TICK_APART = 56;

export interface Drawn {
  /** Positions drawn as tokens. */
  tokens: number[];
  /** Positions that have only their number. */
  ticks: number[];
}

/** What lies in the window, and the chosen token wherever it is. */
export function drawnTokens(
  length: number,
  cellWidth: number,
  scrollX: number,
  room: number,
  chosen: number | null,
): Drawn {
  const first = Math.max(0, Math.floor(scrollX / cellWidth) - MARGIN);
  const last = Math.min(length, Math.ceil((scrollX + room) / cellWidth) + MARGIN);
  if (cellWidth >= LABEL_FROM_WIDTH) {
    const tokens = new Set(
      Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at),
    );
    if (chosen !== null && chosen < length) tokens.add(chosen);
    return { tokens: [...tokens], ticks: [] };
  }
  const step = tickStep(cellWidth, TICK_APART);
  const ticks: number[] = [];
  for (let at = Math.ceil(first / step) * step; at < last; at += step) ticks.push(at);
  return { tokens: chosen !== null && chosen < length ? [chosen] : [], ticks };
}

/** The nearest scroll, in px, at which all of a column is in sight; as it is where there is no room. */
export function scrolledTo(
  column: number,
  cellWidth: number,
  scrollX: number,
  room: number,
): number {
  const left = column * cellWidth;
  if (room < cellWidth) return scrollX;
  return Math.min(left, Math.max(scrollX, left + cellWidth - room));
}

/** The positions between two, both included, whichever comes first. */
export function span(from: number, to: number): number[] {
  const [first, last] = from < to ? [from, to] : [to, from];
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** The stretches of consecutive positions: [[3, 5], [9, 9]]. */
export function stretches(positions: readonly number[]): Array<[number, number]> {
  const found: Array<[number, number]> = [];
  for (const position of positions) {
    const open = found.at(-1);
    if (open && position === open[1] + 1) open[1] = position;
    else found.push([position, position]);
  }
  return found;
}
