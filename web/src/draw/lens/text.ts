/** The lens in words and in tables: what a screen reader hears, what is saved. */
import { rowLabel } from '../residual';
import { probability } from '../format';
import { cell, type Cell, type Lens, type LensSide } from './data';

/** "layer 7, token ␣Paris at position 3, top prediction ␣France 0.83": what a screen reader hears. */
export function cellSentence(lens: Lens, side: LensSide, row: number, position: number): string {
  const column = lens.columnOf[position] ?? -1;
  if (column < 0) return `position ${position} is not among those that the lens has read`;
  const here = cell(lens, side, row, column);
  const best = here.top[0];
  return [
    rowWords(lens.meta.rows[row] ?? ''),
    `token ${lens.meta.tokens[column]?.label ?? ''} at position ${lens.meta.positions[column]}`,
    `top prediction ${best?.token.label ?? ''} ${(best?.probability ?? 0).toFixed(3)}`,
    ...(here.target && here.target.id !== best?.token.id
      ? [`${here.target.label} ${probability(here.probability)}, rank ${here.rank}`]
      : []),
  ].join(', ');
}

function rowWords(name: string): string {
  if (name === 'embed') return 'embedding';
  return rowLabel(name).replace('L', 'layer ').replace(' attn', ' after attention');
}

type Line = Array<string | number | null>;

const COLUMNS = [
  'side',
  'row',
  'position',
  'token',
  'top',
  'top_probability',
  'top_logit',
  'target',
  'probability',
  'logit',
  'rank',
  'kl_to_final_nats',
  'entropy_nats',
];

/** One line per cell and side, all numbers in full; what there is not is left empty. */
export function lensTable(lens: Lens): Line[] {
  const own = lens.baseline.objective === null ? [] : [lens.meta.objective];
  const lines: Line[] = [[...COLUMNS, ...own]];
  for (const side of ['baseline', 'edited'] as const) {
    const values = lens[side];
    if (!values) continue;
    for (let row = 0; row < lens.rows; row++)
      for (let column = 0; column < lens.columns; column++)
        lines.push([
          side,
          lens.meta.rows[row] ?? '',
          lens.meta.positions[column] ?? 0,
          lens.meta.tokens[column]?.text ?? '',
          ...numbers(cell(lens, values, row, column)),
          ...own.map(() => values.objective?.[row * lens.columns + column] ?? null),
        ]);
  }
  return lines;
}

function numbers({ top, target, ...here }: Cell): Line {
  const best = top[0];
  return [
    best?.token.text ?? '',
    best?.probability ?? 0,
    best?.logit ?? 0,
    target?.text ?? null,
    ...(target ? [here.probability, here.logit, here.rank] : [null, null, null]),
    here.kl,
    here.entropy,
  ];
}

/** All of the grid as plain data, with what it is an answer to. */
export function lensJson(spec: unknown, lens: Lens): unknown {
  const side = (values: LensSide | null) =>
    values &&
    Object.fromEntries(
      Object.entries(values).map(([name, array]) => [
        name,
        array === null
          ? null
          : Array.from(array as Float32Array, (value) => (Number.isFinite(value) ? value : null)),
      ]),
    );
  return {
    spec,
    description: lens.meta,
    shape: [lens.rows, lens.columns],
    k: lens.k,
    baseline: side(lens.baseline),
    edited: side(lens.edited),
  };
}
