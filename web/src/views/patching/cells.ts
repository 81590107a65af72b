/** The numbers of a patching grid: what each cell says, its colour, the edit that it is. */
import { figures } from '../../draw/format';
import type { HeatCells } from '../../draw/heatgrid';
import { look, table, type Theme } from '../../draw/lut';
import { edit, formatPositions, type Edit } from '../../shared/text/edits';
import type { Patching } from './patchingState';
import type { Grid } from './query';

/** The label of a text as a whole is measured at no position. */
export function measuredWhere({ position }: Pick<Grid, 'position'>): string {
  return position === null ? 'of the text as a whole' : `at position ${position}`;
}

/** Whether columns are heads, and not positions. */
export const byHead = (site: Patching['site']): boolean => site === 'heads' || site === 'patterns';

/** How far from the corrupted prompt's objective (0) to the clean one's (1); null: no such cell, or both equal. */
export function restored(grid: Grid, value: number | null): number | null {
  const span = grid.clean - grid.corrupted;
  return value === null || span === 0 ? null : (value - grid.corrupted) / span;
}

export function valueAt(grid: Grid, row: number, column: number): number | null {
  return grid.rows[row]?.[column] ?? null;
}

/** What is written in a cell. */
export function words(grid: Grid, show: Patching['show'], value: number | null): string {
  if (value === null) return '';
  if (show === 'value') return figures(value);
  const share = restored(grid, value);
  return share === null ? '–' : share.toFixed(2).replace('-', '−').replace('−0.00', '0.00');
}

/** In display order. Colour is always the share: blue toward the clean prompt's, orange beyond the corrupted one's. */
export function cellsOf(
  grid: Grid,
  show: Patching['show'],
  theme: Theme,
  flipped: boolean,
): HeatCells {
  const [rows, columns] = [grid.layers.length, grid.columns_at.length];
  const colours = table('diverging', theme);
  const source = (row: number) => (flipped ? row : rows - 1 - row);
  const packed = new Uint32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const share = restored(grid, valueAt(grid, source(row), column));
      if (share !== null)
        packed[row * columns + column] = look(colours, 0.5 + Math.max(-1, Math.min(1, share)) / 2);
    }
  return {
    rows,
    columns,
    colours: packed,
    label: (row, column) => words(grid, show, valueAt(grid, source(row), column)),
    numeric: true,
    marks: null,
  };
}

/** Where the two prompts differ. */
export function differing(grid: Grid): Set<number> {
  return new Set(
    grid.tokens.flatMap(({ id }, at) => (id === grid.corrupted_tokens[at]?.id ? [] : [at])),
  );
}

/** "L12.resid_pre" at one position, or a head, or where it looks, at all that were patched. */
export function nodeOf(grid: Grid, row: number, column: number): string {
  const [layer, at] = [grid.layers[row] ?? 0, grid.columns_at[column] ?? 0];
  if (grid.site === 'patterns') return `L${layer}.H${at}.pattern`;
  return grid.site === 'heads' ? `L${layer}.H${at}` : `L${layer}.${grid.site}`;
}

/** What a cell is, as an edit of the prompt that was run: `from` is the other one. */
export function patchEdit(grid: Grid, row: number, column: number, from: string): Edit {
  const at = grid.columns_at[column] ?? 0;
  const all = byHead(grid.site) && grid.positions.length === grid.tokens.length;
  const positions = byHead(grid.site) ? (all ? null : [...grid.positions]) : [at];
  return {
    ...edit(nodeOf(grid, row, column), 'patch'),
    positions,
    source: { prompt: from, positions },
  };
}

/** What a cell says, in a sentence. */
export function sentence(grid: Grid, row: number, column: number): string {
  const value = valueAt(grid, row, column);
  const at = grid.columns_at[column] ?? 0;
  const place = byHead(grid.site)
    ? `layer ${grid.layers[row]}, head ${at}`
    : `layer ${grid.layers[row]}, position ${at} ${grid.tokens[at]?.label ?? ''}`;
  if (value === null) return `${place}: this layer has no such head`;
  const share = restored(grid, value);
  const far = share === null ? '' : `, ${share.toFixed(3)} of the way to the clean prompt’s`;
  return `${place}: ${figures(value)}${far}`;
}

export function gridTable(grid: Grid): Array<Array<string | number | null>> {
  const column = byHead(grid.site) ? ['head'] : ['position', 'token'];
  return [
    ['layer', ...column, 'value', 'restored'],
    ...grid.layers.flatMap((layer, row) =>
      grid.columns_at.map((at, place) => {
        const value = valueAt(grid, row, place);
        const named = byHead(grid.site) ? [at] : [at, grid.tokens[at]?.text ?? ''];
        return [layer, ...named, value, restored(grid, value)];
      }),
    ),
  ];
}

const NEEDED: Readonly<Partial<Record<Grid['site'], string>>> = {
  attn_out: 'attention',
  heads: 'heads',
  patterns: 'attention',
  mlp_out: 'a feed-forward',
};

/** Which layers have what is patched, where not all have it. */
export function someLayers({ layers, site }: Grid, depth: number): string | null {
  if (layers.length === depth) return null;
  const named = formatPositions([...layers]);
  const have = layers.length === 1 ? `layer ${named} has` : `layers ${named} have`;
  return `Of ${depth} layers only ${have} ${NEEDED[site] ?? 'this'}.`;
}
