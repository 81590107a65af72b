/** The same grid as a table of text: for assistive technology, for find-in-page, for copying. */
import { useState } from 'react';
import { Hidden, SideMark, Token } from '../../shared/parts/parts';
import { rowLabel } from '../../draw/residual';
import { cell, outcome, shownSide, type Lens, type LensSide } from '../../draw/lens/data';
import { cellValue } from '../../draw/lens/paint';
import type { Spec } from '../../shared/text/url';
import { useSpec } from '../../shared/state/store';

const COLUMNS = 24;

interface Props {
  lens: Lens;
  mode: Spec['mode'];
}

export function LensTable({ lens, mode }: Props) {
  const { flipped } = useSpec();
  const [first, setFirst] = useState(0);
  const both = lens.edited !== null && mode === 'difference';
  const start = Math.min(first, Math.max(0, lens.columns - 1));
  const end = Math.min(lens.columns, start + COLUMNS);
  const columns = Array.from({ length: end - start }, (_, index) => start + index);
  const rows = Array.from({ length: lens.rows }, (_, row) => (flipped ? row : lens.rows - 1 - row));
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="lens-table" tabIndex={0} aria-label="Logit lens as a table">
      {lens.columns > COLUMNS ? (
        <p className="pages">
          Positions {lens.meta.positions[start]}–{lens.meta.positions[end - 1]}, {end - start} of{' '}
          {lens.columns} read.{' '}
          <button
            type="button"
            className="link"
            disabled={start === 0}
            onClick={() => setFirst(Math.max(0, start - COLUMNS))}
          >
            Earlier
          </button>{' '}
          <button
            type="button"
            className="link"
            disabled={end === lens.columns}
            onClick={() => setFirst(start + COLUMNS)}
          >
            Later
          </button>
        </p>
      ) : null}
      <table data-testid="lens-table">
        <thead>
          <tr>
            <th scope="col">layer</th>
            {columns.map((column) => (
              <th key={column} scope="col">
                <span className="faint">{lens.meta.positions[column]}</span>{' '}
                {lens.meta.tokens[column] ? <Token token={lens.meta.tokens[column]} /> : null}
              </th>
            ))}
          </tr>
          <tr>
            <th scope="row" className="faint">
              final top
            </th>
            {columns.map((column) => (
              <td key={column}>
                <Outcome lens={lens} mode={mode} column={column} />
              </td>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              <th scope="row">{rowLabel(lens.meta.rows[row] ?? '')}</th>
              {columns.map((column) => (
                <td key={column}>
                  {lens.edited && mode === 'edited' ? null : (
                    <Entry
                      lens={lens}
                      side={lens.baseline}
                      row={row}
                      column={column}
                      mark={both ? 'baseline' : null}
                    />
                  )}
                  {lens.edited && mode !== 'baseline' ? (
                    <Entry lens={lens} side={lens.edited} row={row} column={column} mark="edited" />
                  ) : null}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Outcome({ lens, mode, column }: { lens: Lens; mode: Spec['mode']; column: number }) {
  const { token, right } = outcome(lens, shownSide(lens, mode).values, column);
  return (
    <>
      {right ? (
        <span className="right-mark" title="The text does go on like that">
          ✓<Hidden> the true next token </Hidden>
        </span>
      ) : null}
      <Token token={token} />
    </>
  );
}

interface EntryProps {
  lens: Lens;
  side: LensSide;
  row: number;
  column: number;
  mark: 'baseline' | 'edited' | null;
}

function Entry({ lens, side, row, column, mark }: EntryProps) {
  const { kind } = useSpec().lens;
  const here = cell(lens, side, row, column);
  const best = here.top[0];
  return best ? (
    <span className="entry">
      {mark ? <SideMark side={mark} /> : null} <Token token={best.token} />{' '}
      <span className="number">{cellValue(here, kind)}</span>
    </span>
  ) : null;
}
