/** The scores of a label, as a person reads them. */
import { percent } from '../../draw/format';
import type { Explanation } from '../../shared/api/corpora';

/** Name, value and meaning of each; none where there is no label. */
export function scoresOf(item: Explanation): [string, string, string][] {
  const { held_out: held, shuffled, searched } = item;
  if (!held || !shuffled || !searched) return [];
  const chance = Math.max(shuffled.high, searched.high);
  return [
    ['F1', `${two(held.f1)} (${two(held.low)}–${two(held.high)})`, '95%, over sentences'],
    [
      'by chance',
      `up to ${two(chance)}`,
      'This label, and labels made like it, where activations are shuffled',
    ],
    ['precision', two(held.precision), 'Of the tokens it describes: where the node is active'],
    ['recall', two(held.recall), 'Of the tokens where the node is active: those it describes'],
    ['AUC', two(held.auc), 'How often the node is stronger at a token it describes than elsewhere'],
    ['active', percent(item.density), 'Of held-out tokens'],
  ];
}

/** Simulation, detection and fuzzing of what was written: score, interval, the larger null. */
export function writtenScores(
  written: NonNullable<Explanation['written']>,
): [string, string, string][] {
  const kinds = [
    ['simulation', written.simulation, written.simulation?.correlation, 'Pearson’s correlation'],
    ['detection', written.detection, written.detection?.balanced_accuracy, 'balanced accuracy'],
    ['fuzzing', written.fuzzing, written.fuzzing?.balanced_accuracy, 'balanced accuracy'],
  ] as const;
  return kinds.flatMap(([name, found, score, what]) => {
    if (!found) return [];
    const failed = found.failed > 0 ? `, ${found.failed} failed` : '';
    if (score == null) return [[name, `no score${failed}`, what]];
    const chance = Math.max(found.null?.high ?? 0, found.searched?.high ?? 0);
    const between =
      found.low == null || found.high == null ? '' : ` (${two(found.low)}–${two(found.high)})`;
    return [[name, `${two(score)}${between}, chance up to ${two(chance)}${failed}`, what]];
  });
}

function two(value: number): string {
  return value.toFixed(2);
}
