/** How the numbers of the lens are computed, with their values on this run. */
import { Formula, type FormulaLine } from '../../shared/parts/Formula';
import { cell, type Lens } from '../../draw/lens/data';
import { scoredWords } from '../../draw/lens/paint';
import { NONE } from '../../draw/format';
import { useSpec } from '../../shared/state/store';
import { setLens } from './lensState';

export function LensFormula({ lens, column }: { lens: Lens; column: number }) {
  const { clipped } = useSpec().lens;
  return (
    <Formula title="How the lens is computed" lines={formulas(lens, column, clipped)}>
      <label className="option menu-foot">
        <input
          type="checkbox"
          data-testid="clipped"
          checked={clipped}
          onChange={() => setLens({ clipped: !clipped })}
        />
        <span>
          Clip probabilities before KL
          <span className="option-note">
            From below, at a tenth of a uniform distribution, and without renormalising, as
            transformer-utils did. Tails then count for less.
          </span>
        </span>
      </label>
    </Formula>
  );
}

function formulas(lens: Lens, column: number, clipped: boolean): FormulaLine[] {
  const last = cell(lens, lens.baseline, lens.rows - 1, column);
  const plain = lens.meta.decoder === 'final_norm';
  const at = `in the last row at position ${lens.meta.positions[column] ?? 0}`;
  return [
    {
      name: 'a cell',
      formula: plain
        ? 'p = softmax( W_U · norm_final(residual[row, position]) )'
        : `p = softmax( W_U · norm_final( ${lens.meta.decoder}…(residual[row])[position] ) )`,
      note: plain
        ? 'What the model would predict at this token if it stopped after this row.'
        : `Each row runs through the model from ${lens.meta.decoder} on, at all positions together. The last row is the model’s own output.`,
    },
    {
      name: `target: ${scoredWords(lens)}`,
      formula: 'p(t),  logit(t),  rank(t) = 1 + how many tokens have a higher logit',
      value: last.target
        ? `${last.probability.toPrecision(5)},  ${last.logit.toFixed(3)},  #${last.rank} for ${last.target.label} ${at}`
        : `${NONE}: the last token has no next one`,
      note: 'Logits have no zero of their own: compare them within a row.',
    },
    {
      name: 'KL(final ‖ this)',
      formula: clipped
        ? 'Σ p̂_final ln( p̂_final / p̂_row ),  p̂ = max( p, 1 / 10V )'
        : 'Σ p_final ln( p_final / p_row )',
      note: 'Nats, over the whole vocabulary. The final prediction is the reference: what is lost by taking this row for it.',
    },
    {
      name: 'entropy',
      formula: '−Σ p ln p',
      value: `${last.entropy.toFixed(4)} nats ${at}`,
      note: '0 is certain.',
    },
    ...(lens.edited
      ? [
          {
            name: 'KL(baseline ‖ edited)',
            formula: 'Σ p_baseline ln( p_baseline / p_edited )',
            note: 'Of the same cell, without and with the edits; nats.',
          },
        ]
      : []),
  ];
}
