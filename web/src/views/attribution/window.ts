/** Which rows of a long table are in sight, where one of them is open and higher. */

export interface Sizes {
  /** Of a row, px. */
  row: number;
  /** What an open row adds, px. */
  detail: number;
  /** The row that is open; -1: none. */
  opened: number;
}

/** Where a row begins. */
export function topOf(at: number, { row, detail, opened }: Sizes): number {
  return at * row + (opened >= 0 && at > opened ? detail : 0);
}

/** The row at a distance from the top of the first. */
export function firstInSight(scroll: number, { row, detail, opened }: Sizes): number {
  const below = scroll - (opened + 1) * row;
  const more = opened < 0 || below <= 0 ? 0 : Math.min(detail, below);
  return Math.floor((scroll - more) / row);
}
