/** The lens grid in display order: bottom up unless turned round, a column for each position. */
import type { HeatCells } from '../heatgrid';
import { changedCells, type Lens } from './data';
import type { Painted } from './paint';

/** Display row of a row of the lens, and back. */
export function flipper(lens: Lens, flipped: boolean): (row: number) => number {
  return (row) => (flipped ? row : lens.rows - 1 - row);
}

/** Positions that were not read stay empty. `marks`: where the edits change the top token. */
export function displayCells(
  lens: Lens,
  painted: Painted,
  marked: boolean,
  flipped: boolean,
): HeatCells {
  const { rows, columns, length, columnOf } = lens;
  const source = flipper(lens, flipped);
  const colours = new Uint32Array(rows * length);
  const marks = marked ? new Uint8Array(rows * length) : null;
  const changed = marks ? changedCells(lens) : null;
  const places = Array.from({ length }, (_, place) => columnOf[place] ?? -1);
  for (let row = 0; row < rows; row++) {
    for (const [place, column] of places.entries()) {
      if (column < 0) continue;
      const from = source(row) * columns + column;
      const to = row * length + place;
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
    label: (row, place) => {
      const column = places[place] ?? -1;
      return column < 0 ? '' : painted.label(source(row), column);
    },
  };
}
