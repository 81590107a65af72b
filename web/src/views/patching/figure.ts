/** A patching grid as a picture to keep: SVG, or the same as PNG. */
import { figures } from '../../draw/format';
import { gridSvg } from '../../draw/gridSvg';
import type { Theme } from '../../draw/lut';
import { savePng, saveSvg, tokenReader } from '../../shared/parts/figure';
import { byHead, cellsOf } from './cells';
import type { Patching } from './patchingState';
import type { Grid } from './query';

interface Shown {
  grid: Grid;
  show: Patching['show'];
  flipped: boolean;
  theme: Theme;
  /** First line: the prompt, or the data set. */
  heading: string;
  model: string;
}

/** What is in the window is no more than part of it: all is drawn. */
export function patchingPicture({ grid, show, flipped, theme, heading, model }: Shown) {
  const names = grid.layers.map((layer) => `L${layer}`);
  const columns = grid.columns_at.map((at) =>
    byHead(grid.site) ? `H${at}` : (grid.tokens[at]?.label ?? String(at)),
  );
  const picture = gridSvg({
    heading,
    note: noteOf(grid, model),
    rowNames: flipped ? names : names.toReversed(),
    columnNames: columns,
    cells: cellsOf(grid, show, theme, flipped),
    token: tokenReader(),
  });
  return { svg: () => saveSvg('patching', picture), png: () => void savePng('patching', picture) };
}

function noteOf(grid: Grid, model: string): string {
  const ends =
    grid.corrupted_tokens.length === 0
      ? ''
      : `, clean ${figures(grid.clean)}, corrupted ${figures(grid.corrupted)}`;
  return `${model} · ${grid.site} into the ${grid.into} prompt · ${grid.objective}${ends}`;
}
