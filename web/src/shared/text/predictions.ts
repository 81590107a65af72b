/** What the Predictions view reads off an answer. Knows no React. */
import type { components } from '../../api.gen';

export type Predictions = components['schemas']['Predictions'];
export type Reading = components['schemas']['Reading'];
export type TokenText = components['schemas']['Token'];
export type LayerReading = components['schemas']['LayerReading'];

export interface NextRow {
  token: TokenText;
  baseline: number | null;
  edited: number | null;
  /** Ranks on both sides, where both are known. */
  ranks?: readonly [baseline: number, edited: number];
}

/** Rows of the distribution, the likelier of both sides first; both sides known where there are two. */
export function nextRows(
  data: Predictions,
  mode: 'baseline' | 'edited' | 'difference',
  k: number,
): NextRow[] {
  if (mode === 'difference' && data.changes) {
    return data.changes
      .map((change) => ({
        token: change.token,
        baseline: change.baseline_probability,
        edited: change.edited_probability,
        ranks: [change.baseline_rank, change.edited_rank] as const,
      }))
      .toSorted((a, b) => Math.max(b.baseline, b.edited) - Math.max(a.baseline, a.edited))
      .slice(0, Math.max(k, 1));
  }
  const side = mode === 'edited' && data.edited ? data.edited : data.baseline;
  return side.next_token.top.map((entry) => ({
    token: entry.token,
    baseline: side === data.baseline ? entry.probability : null,
    edited: side === data.baseline ? null : entry.probability,
  }));
}

/** Logit of the target minus that of the distractor; null where one is missing. */
export function logitDifference(reading: Reading): number | null {
  return reading.target && reading.distractor
    ? reading.target.logit - reading.distractor.logit
    : null;
}

/** The edits change what is most likely here. */
export function topChanged(baseline: Reading, edited: Reading | null): boolean {
  return edited !== null && baseline.top[0]?.token.id !== edited.top[0]?.token.id;
}

/** The edits leave a state as it was: those before the first edit are the very same. */
export function sameReading(baseline: Reading, edited: Reading): boolean {
  return (
    baseline.entropy === edited.entropy &&
    baseline.top.every(
      (entry, place) =>
        entry.token.id === edited.top[place]?.token.id && entry.logit === edited.top[place]?.logit,
    )
  );
}

/** The tokens of one reading, or of both, the likelier of both first; null where one lists it not. */
export function readingRows(baseline: Reading | null, edited: Reading | null): NextRow[] {
  const rows = new Map<number, NextRow>();
  for (const [side, reading] of [
    ['baseline', baseline],
    ['edited', edited],
  ] as const) {
    for (const { token, probability } of reading?.top ?? []) {
      const row = rows.get(token.id) ?? { token, baseline: null, edited: null };
      rows.set(token.id, { ...row, [side]: probability });
    }
  }
  const most = (row: NextRow) => Math.max(row.baseline ?? 0, row.edited ?? 0);
  return [...rows.values()]
    .toSorted((a, b) => most(b) - most(a))
    .slice(0, Math.max(baseline?.top.length ?? 0, edited?.top.length ?? 0));
}

/** Every listed token of every state of the residual stream, one line each. */
export function predictionsTable(data: Predictions): Array<Array<string | number | null>> {
  const lines: Array<Array<string | number | null>> = [
    [
      'side',
      'state',
      'place_from_1',
      'token',
      'id',
      'probability',
      'logit',
      'entropy_nats',
      'kl_to_final_nats',
      'target_probability',
      'target_rank',
      'distractor_probability',
      'distractor_rank',
    ],
  ];
  for (const name of ['baseline', 'edited'] as const) {
    const side = data[name];
    if (!side) continue;
    const states: Array<[string, Reading]> = [['final', side.next_token]];
    for (const layer of side.layers ?? []) {
      states.push([`L${layer.layer}.resid_pre`, layer.resid_pre]);
      if (layer.resid_mid) states.push([`L${layer.layer}.resid_mid`, layer.resid_mid]);
      if (layer.resid_mid_cross)
        states.push([`L${layer.layer}.resid_mid_cross`, layer.resid_mid_cross]);
      states.push([`L${layer.layer}.resid_post`, layer.resid_post]);
    }
    for (const [state, reading] of states) lines.push(...readingLines(name, state, reading));
  }
  return lines;
}

function readingLines(
  side: string,
  state: string,
  reading: Reading,
): Array<Array<string | number | null>> {
  return reading.top.map((entry, place) => [
    side,
    state,
    place + 1,
    entry.token.text,
    entry.token.id,
    entry.probability,
    entry.logit,
    reading.entropy,
    reading.kl_to_final,
    reading.target?.probability ?? null,
    reading.target?.rank ?? null,
    reading.distractor?.probability ?? null,
    reading.distractor?.rank ?? null,
  ]);
}
