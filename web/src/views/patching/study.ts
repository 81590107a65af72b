/** The mean grid of many pairs, as the canvas of one grid takes it. */
import { figures } from '../../draw/format';
import { byHead } from './cells';
import type { Grid, Study } from './query';

type Cell = Study['rows'][number][number];

function cellOf(study: Study, row: number, column: number): Cell | null {
  return study.rows[row]?.[column] ?? null;
}

/** From 0 at the corrupted prompts' answers to 1 at the clean ones': what is drawn is the share itself. */
export function gridOf(study: Study): Grid {
  return {
    ...study,
    objective: 'answer less wrong answer',
    position: study.tokens.length - 1,
    positions: study.columns_at,
    corrupted_tokens: [],
    clean: 1,
    corrupted: 0,
    n_unchanged: 0,
    rows: study.rows.map((row) => row.map((cell) => cell[0] ?? null)),
  };
}

/** What a cell says, with where the mean may be. */
export function studySentence(study: Study, row: number, column: number): string {
  const at = study.columns_at[column] ?? 0;
  const place = byHead(study.site)
    ? `layer ${study.layers[row]}, head ${at}`
    : `layer ${study.layers[row]}, position ${at}`;
  const [share, low, high] = cellOf(study, row, column) ?? [];
  if (share == null) return `${place}: this layer has no such head`;
  const sure =
    low == null || high == null
      ? ''
      : `, ${Math.round(100 * study.confidence)} % interval ${figures(low)} to ${figures(high)}`;
  return `${place}: ${share.toFixed(3)} of the way in the mean${sure}`;
}

export function studyTable(study: Study): Array<Array<string | number | null>> {
  const column = byHead(study.site) ? 'head' : 'position';
  return [
    ['layer', column, 'restored', 'low', 'high'],
    ...study.layers.flatMap((layer, row) =>
      study.columns_at.map((at, place) => {
        const [share, low, high] = cellOf(study, row, place) ?? [];
        return [layer, at, share ?? null, low ?? null, high ?? null];
      }),
    ),
  ];
}
