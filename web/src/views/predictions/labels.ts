/** What the labels' table shows, as rows for the page and for CSV. Knows no React. */
import type { Schemas } from '../../shared/api/client';

type Scores = Schemas['LabelScores'];

export interface LabelRow {
  key: string;
  /** Of the token that is labelled; null where the text as a whole is, and below the first. */
  position: number | null;
  label: string;
  before: Schemas['LabelScore'];
  after: Schemas['LabelScore'] | null;
}

/** One row for each label that is listed; a token is named beside its first one. */
export function labelRows(data: Scores): LabelRow[] {
  return data.rows.flatMap((row) =>
    row.baseline.map((before, order) => ({
      key: `${row.position ?? 'text'} ${before.label}`,
      position: order === 0 ? (row.position ?? null) : null,
      label: before.label,
      before,
      after: row.edited?.[order] ?? null,
    })),
  );
}

export function labelsTable(data: Scores): Array<Array<string | number | null>> {
  const head = [
    'position',
    'token',
    'label',
    'score',
    'probability',
    'edited',
    'edited probability',
  ];
  const rows = data.rows.flatMap((row) =>
    row.baseline.map((before, order) => {
      const after = row.edited?.[order];
      const token = row.position === null ? '' : (data.tokens[row.position]?.text ?? '');
      return [
        row.position,
        token,
        before.label,
        before.score,
        before.probability,
        after?.score ?? null,
        after?.probability ?? null,
      ];
    }),
  );
  return [head, ...rows];
}
