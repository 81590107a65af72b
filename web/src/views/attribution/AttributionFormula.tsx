/** How the numbers are computed, with their values on this run. */
import { Formula, type FormulaLine } from '../../shared/parts/Formula';
import { figures, signed } from '../../draw/format';
import type { Comparison } from './query';

type Side = Comparison['baseline'];

export function AttributionFormula({ side }: { side: Side }) {
  return <Formula title="What a node does to the answer" lines={linesOf(side)} />;
}

function linesOf(side: Side): FormulaLine[] {
  const first = side.rows[0];
  const sums = side.completeness;
  return [
    {
      name: 'objective',
      formula: side.objective,
      value: figures(side.value),
      note: `Read at position ${side.position}.`,
    },
    {
      name: 'total effect, estimated',
      formula: '(a − a₀) · ∂objective / ∂a',
      ...(first ? { value: `${signed(first.total, 4)}: ${first.name}` } : {}),
      note: 'a is the node’s own variable: a neuron’s activation, a head’s z or its entry of the pattern, what a branch adds. a₀ is what it is compared with. One backward pass has them all; it is a slope, not the effect itself.',
    },
    {
      name: 'direct effect',
      formula: '⟨write, d⟩,  d = the objective’s direction there',
      ...(first?.direct == null ? {} : { value: `${signed(first.direct, 4)}: ${first.name}` }),
      note: 'What is written at the objective’s position, past all later layers, norms at the run’s scale. Everywhere else it is 0.',
    },
    {
      name: 'completeness',
      formula: 'Σ direct + biases + what is not linear = objective',
      ...(sums ? { value: `${figures(sums.rest)} is left` } : {}),
      note: 'What is left is rounding, or an edit of the stream that is nobody’s write.',
    },
    {
      name: 'measured',
      formula: 'objective − objective without the node',
      note: 'A run of the model with the node at zero, or at its mean, everything else following.',
    },
  ];
}
