/** What a drawing shows, as a table of its own. */
import { make } from './dom';

type Cell = string | number | null;

/** The lines of a CSV, heads first; numbers are shown in part, and whole where one points. */
export function tableOf(
  label: string,
  caption: string,
  [heads = [], ...rows]: ReadonlyArray<readonly Cell[]>,
): HTMLElement {
  return make(
    'div',
    { class: 'table', tabindex: 0, role: 'region', 'aria-label': label },
    make(
      'table',
      {},
      make('caption', {}, caption),
      make('thead', {}, row('th', heads)),
      make('tbody', {}, ...rows.map((cells) => row('td', cells))),
    ),
  );
}

function row(tag: 'th' | 'td', cells: readonly Cell[]): HTMLElement {
  return make(
    'tr',
    {},
    ...cells.map((cell) =>
      make(
        tag,
        typeof cell === 'number' ? { class: 'number', title: cell } : {},
        typeof cell === 'number' ? cell.toPrecision(4) : (cell ?? ''),
      ),
    ),
  );
}
