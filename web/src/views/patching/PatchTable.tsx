/** The same grid as a table of text: for assistive technology, for find-in-page, for copying. */
import { Token } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import { byHead, valueAt, words } from './cells';
import { usePatchingSpec } from './patchingState';
import type { Grid } from './query';

export function PatchTable({ grid }: { grid: Grid }) {
  const { flipped } = useSpec();
  const { show } = usePatchingSpec();
  const rows = grid.layers.map((layer, row) => ({ layer, row }));
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="lens-table" tabIndex={0} aria-label="Patching grid as a table">
      <table data-testid="patch-table">
        <thead>
          <tr>
            <th scope="col">layer</th>
            {grid.columns_at.map((at) => {
              const token = byHead(grid.site) ? undefined : grid.tokens[at];
              return (
                <th key={at} scope="col" className="number">
                  {byHead(grid.site) ? `H${at}` : <span className="faint">{at}</span>}{' '}
                  {token ? <Token token={token} /> : null}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {(flipped ? rows : rows.toReversed()).map(({ layer, row }) => (
            <tr key={layer}>
              <th scope="row">L{layer}</th>
              {grid.columns_at.map((at, column) => {
                const value = valueAt(grid, row, column);
                return (
                  <td key={at} className="number" title={value === null ? '' : String(value)}>
                    {words(grid, show, value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
