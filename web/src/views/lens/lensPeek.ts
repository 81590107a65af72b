/** What the pop-up says of a cell of the lens. */
import { rowLabel } from '../../shared/text/address';
import { logit, nats, probability, rank } from '../../draw/format';
import { cell, type Lens, type SideName } from '../../draw/lens/data';
import type { Spec } from '../../shared/text/url';
import type { PeekContent, PeekSide } from '../../shared/state/peek';

export function lensPeek(lens: Lens, mode: Spec['mode'], row: number, column: number): PeekContent {
  const sides: SideName[] = !lens.edited
    ? ['baseline']
    : mode === 'difference'
      ? ['baseline', 'edited']
      : [mode];
  const position = lens.meta.positions[column] ?? 0;
  return {
    title: `${rowLabel(lens.meta.rows[row] ?? '')} · position ${position} ${lens.meta.tokens[column]?.label ?? ''}`,
    sides: sides.map((side) => peekSide(lens, side, row, column)),
  };
}

function peekSide(lens: Lens, side: SideName, row: number, column: number): PeekSide {
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
      ['KL from final', `${nats(here.kl)} nats`],
      ['entropy', `${nats(here.entropy)} nats`],
    ],
  };
}
