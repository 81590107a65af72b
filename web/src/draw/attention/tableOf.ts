/** The pairs that are kept as a table of text: for assistive technology, for find-in-page, for copying. */
import { make, tokenOf } from '../dom';
import type { Attention, Mode, TokenText } from './data';
import { modeName, panelModes, patternOf, type Pattern } from './pattern';
import { nameOf } from './scale';
import { keptWords, valueText } from './text';

/** Rows of a table; a page of tens of thousands is slow, and nobody reads it. */
const MOST = 500;

export function attentionTableOf(
  attention: Attention,
  mode: Mode,
  head: string | null,
): HTMLElement {
  const tables = panelModes(attention, mode).map((one) =>
    oneTable(patternOf(attention, one, head), attention.edited ? modeName(attention, one) : null),
  );
  return make(
    'div',
    { class: 'table', tabindex: 0, role: 'region', 'aria-label': 'Attention as a table' },
    ...tables,
  );
}

function oneTable(pattern: Pattern, side: string | null): HTMLElement {
  const { edges } = pattern;
  const shown = Math.min(MOST, edges.values.length);
  const more = edges.values.length > shown ? `; the strongest ${shown} are listed` : '';
  const name = side === null ? nameOf(pattern) : `${side}: ${nameOf(pattern)}`;
  const heads = ['query', 'looks at', 'value'].map((word) => make('th', { scope: 'col' }, word));
  return make(
    'table',
    { 'data-testid': 'attention-table' },
    make('caption', {}, name, make('span', { class: 'faint' }, ` ${keptWords(pattern)}${more}`)),
    make('thead', {}, make('tr', {}, ...heads)),
    make('tbody', {}, ...Array.from({ length: shown }, (_, at) => rowOf(pattern, at))),
  );
}

function rowOf(pattern: Pattern, at: number): HTMLElement {
  const { edges, queries, tokens } = pattern;
  const query = queries[edges.rows[at] ?? 0] ?? 0;
  const key = edges.keys[at] ?? 0;
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, ...placed(tokens.query[query], query)),
    make('td', {}, ...placed(tokens.key[key], key)),
    make('td', { class: 'number' }, valueText(pattern, edges.values[at] ?? Number.NaN)),
  );
}

function placed(token: TokenText | undefined, position: number): HTMLElement[] {
  const number = make('span', { class: 'faint' }, `${position} `);
  return token ? [number, tokenOf(token)] : [number];
}
