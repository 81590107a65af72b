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

function two(value: number): string {
  return value.toFixed(2);
}
