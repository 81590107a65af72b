/** The grid as a table of text: for assistive technology, for find-in-page, for copying. */
import { rowLabel } from '../residual';
import { make, tokenOf } from '../dom';
import { cell, outcome, type Lens } from './data';
import { cellValue, type LensKind } from './paint';

export function lensTableOf(lens: Lens, kind: LensKind, flipped: boolean): HTMLElement {
  const columns = Array.from({ length: lens.columns }, (_, column) => column);
  const rows = Array.from({ length: lens.rows }, (_, row) => (flipped ? row : lens.rows - 1 - row));
  const heads = columns.map((column) => {
    const token = lens.meta.tokens[column];
    const position = make('span', { class: 'faint' }, `${lens.meta.positions[column]} `);
    return make('th', { scope: 'col' }, position, token ? tokenOf(token) : null);
  });
  const outcomes = columns.map((column) => {
    const { token, right } = outcome(lens, lens.baseline, column);
    const mark = make('span', { class: 'right-mark', title: 'The text does go on like that' }, '✓');
    return make('td', {}, right ? mark : null, tokenOf(token));
  });
  return make(
    'div',
    { class: 'table', tabindex: 0, role: 'region', 'aria-label': 'Logit lens as a table' },
    make(
      'table',
      { 'data-testid': 'lens-table' },
      make(
        'thead',
        {},
        make('tr', {}, make('th', { scope: 'col' }, 'layer'), ...heads),
        make('tr', {}, make('th', { scope: 'row', class: 'faint' }, 'final top'), ...outcomes),
      ),
      make('tbody', {}, ...rows.map((row) => rowOf(lens, kind, row, columns))),
    ),
  );
}

function rowOf(lens: Lens, kind: LensKind, row: number, columns: readonly number[]): HTMLElement {
  const name = make('th', { scope: 'row' }, rowLabel(lens.meta.rows[row] ?? ''));
  const entries = columns.map((column) => {
    const here = cell(lens, lens.baseline, row, column);
    const best = here.top[0];
    const value = make('span', { class: 'number' }, cellValue(here, kind));
    return make('td', {}, best ? tokenOf(best.token) : null, ' ', value);
  });
  return make('tr', {}, name, ...entries);
}
