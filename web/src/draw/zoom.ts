/** How large cells are, and what stays in place when that changes. Pure numbers, px. */

/** Pixels per token. */
export const NARROWEST = 1;
export const WIDEST = 200;

/** Width of the row labels, left of everything that runs along the tokens. */
export const GUTTER = 72;
export const ROW_HEIGHT = 24;
const LOWEST_ROW = 2;
/** From this width on cells have text; below, rows give up height too, so that all of them fit. */
export const TEXT_FROM_WIDTH = 30;
const SHRUNK_AT_WIDTH = 14;

/** One width for all tokens: wide enough to read where the prompt allows it. */
export function fittingWidth(columns: number, room: number): number {
  const share = Math.floor(room / Math.max(1, columns));
  return Math.max(72, Math.min(144, share));
}

/** The width at which the whole prompt fits, as far as it can be shrunk. */
export function overviewWidth(columns: number, room: number): number {
  return roundWidth(Math.min(144, room / Math.max(1, columns)), Math.floor);
}

/** Few digits for the address, fine enough to zoom smoothly: a step is below 3 %. */
export function roundWidth(width: number, round: (value: number) => number = Math.round): number {
  const parts = width < 4 ? 50 : width < 20 ? 10 : 2;
  return Math.max(NARROWEST, Math.min(WIDEST, round(width * parts) / parts));
}

const WIDTHS = [1, 2, 4, 8, 16, 24, 32, 48, 72, 96, 120, 160, 200] as const;

/** The next wider (+1) or narrower (-1) of the round widths. */
export function stepWidth(width: number, step: 1 | -1): number {
  return step > 0
    ? (WIDTHS.find((candidate) => candidate > width * 1.01) ?? WIDEST)
    : (WIDTHS.findLast((candidate) => candidate < width * 0.99) ?? NARROWEST);
}

/** Rows are as high as text needs where there is text; as all of them have room for where not. */
export function rowHeight(cellWidth: number, rows: number, room: number): number {
  const fits = Math.max(LOWEST_ROW, Math.min(ROW_HEIGHT, room / Math.max(1, rows)));
  const part = (cellWidth - SHRUNK_AT_WIDTH) / (TEXT_FROM_WIDTH - SHRUNK_AT_WIDTH);
  const height = fits + (ROW_HEIGHT - fits) * Math.max(0, Math.min(1, part));
  return height < 8 ? Math.floor(height * 4) / 4 : Math.floor(height);
}

/** Scroll that keeps what lies at `at` (px from the left of the window) under it. */
export function keepInPlace(scroll: number, at: number, before: number, after: number): number {
  return Math.max(0, ((scroll + at) * after) / before - at);
}

/** Scroll at which `first`–`last` show: in the middle where they fit, from the first one where not. */
export function scrollTo(first: number, last: number, cellWidth: number, room: number): number {
  const width = (last - first + 1) * cellWidth;
  return Math.max(0, first * cellWidth - Math.max(0, (room - width) / 2));
}

/** Positions between labels that have at least `apart` px each: 1, 2, 5, 10, 20 ... */
export function tickStep(cellWidth: number, apart: number): number {
  for (let power = 1; power <= 1e6; power *= 10)
    for (const digit of [1, 2, 5]) if (digit * power * cellWidth >= apart) return digit * power;
  return 1e7;
}
