/** The attribution in words and as a table to keep. */
import type { Attribution } from './attributionState';
import type { Column, Row, Token } from './rows';

/** What is in the table, with the text of the tokens. */
export function attributionTable(
  rows: readonly Row[],
  columns: readonly Column[],
  tokens: readonly Token[],
  grouping: Attribution['grouping'],
): Array<Array<string | number | null>> {
  const text = (at: number | null) => (at === null ? null : (tokens[at]?.text ?? null));
  const numbers = ({ numbers: all }: Row) => columns.map(({ name }) => all[name] ?? null);
  const heads = columns.map(({ name }) => name);
  if (grouping === 'positions')
    return [
      ['position', 'token', ...heads],
      ...rows.map((row) => [row.position, text(row.position), ...numbers(row)]),
    ];
  if (grouping === 'components')
    return [
      ['component', 'kind', 'layer', ...heads],
      ...rows.map((row) => [row.id, row.kind, row.layer, ...numbers(row)]),
    ];
  return [
    ['node', 'kind', 'layer', 'position', 'token', 'key', 'key_token', ...heads],
    ...rows.map((row) => [
      row.id,
      row.kind,
      row.layer,
      row.position,
      text(row.position),
      row.key,
      text(row.key),
      ...numbers(row),
    ]),
  ];
}
