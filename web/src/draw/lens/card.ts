/** What the pop-up says of a cell of the lens. */
import { rowLabel } from '../residual';
import type { CardContent, CardSide } from '../card';
import { logit, nats, probability, rank } from '../format';
import { cell, type Lens, type Mode, type SideName } from './data';

export function lensCard(lens: Lens, mode: Mode, row: number, column: number): CardContent {
  const sides: SideName[] = !lens.edited
    ? ['baseline']
    : mode === 'difference'
      ? ['baseline', 'edited']
      : [mode];
  const position = lens.meta.positions[column] ?? 0;
  return {
    title: `${rowLabel(lens.meta.rows[row] ?? '')} · position ${position} ${lens.meta.tokens[column]?.label ?? ''}`,
    sides: sides.map((side) => cardSide(lens, side, row, column)),
  };
}

function cardSide(lens: Lens, side: SideName, row: number, column: number): CardSide {
  const here = cell(lens, lens[side] ?? lens.baseline, row, column);
  return {
    side,
    top: here.top.map(({ token, ...score }) => ({ label: token.label, ...score })),
    score: here.target
      ? {
          label: here.target.label,
          probability: probability(here.probability),
          logit: logit(here.logit),
          rank: rank(here.rank),
        }
      : null,
    facts: [
      ...(here.objective === null || lens.meta.objective === null
        ? []
        : ([[lens.meta.objective, logit(here.objective)]] as Array<[string, string]>)),
      ['KL from final', `${nats(here.kl)} nats`],
      ['entropy', `${nats(here.entropy)} nats`],
    ],
  };
}
