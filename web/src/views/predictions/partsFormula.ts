/** How the parts of a layer are computed, with the numbers of this run. */
import type { FormulaLine } from '../../shared/parts/Formula';
import { figures } from '../../draw/format';
import { strongest, type Branch, type BranchUpdates } from './updates';

export function partsFormula(one: BranchUpdates | null, branch: Branch): FormulaLine[] {
  const best = strongest(one);
  const of = (formula: (part: NonNullable<typeof best>) => string) =>
    best ? { value: formula(best) } : {};
  const neurons = branch === 'neurons';
  return [
    neurons
      ? {
          name: 'sub-update',
          formula: 'write_i = m_i · v_i',
          note: 'Activation times value vector: what one neuron adds to the residual stream, the norm after the block and multipliers included. In a gated feed-forward m is gate × input.',
        }
      : {
          name: 'head',
          formula: 'write_h = z_h · W_O,h',
          note: 'What one head adds to the residual stream, the norm after the block included.',
        },
    neurons
      ? {
          name: 'score',
          formula: 's_i = m_i · ‖v_i‖',
          ...of(
            (part) =>
              `${figures(part.score)} for ${part.node}, activation ${figures(part.activation ?? 0)}`,
          ),
          note: 'Signed: below zero the neuron writes against its value vector. Its size is LM-Debugger’s |m|·‖v‖ where no norm follows the block.',
        }
      : {
          name: 'norm',
          formula: '‖write_h‖',
          ...of((part) => `${figures(part.norm)} for ${part.node}`),
        },
    {
      name: 'share',
      formula: '⟨write, added⟩ / ‖added‖²',
      ...of(
        (part) =>
          `${(part.share * 100).toFixed(2)} % for ${part.node}, ‖added‖ = ${figures(one?.added_norm ?? 0)}`,
      ),
      note: 'How far a part goes in the direction of the whole. Shown parts, biases and the rest sum to 100 %; a part that points away is below zero.',
    },
    {
      name: 'promotes, suppresses',
      formula: 'W_U[t] · ( g ⊙ write ) / scale_final',
      ...of(
        (part) =>
          `${part.promotes[0]?.logit.toFixed(3) ?? '–'} for “${part.promotes[0]?.token.label ?? '–'}” by ${part.node}`,
      ),
      note: 'The direct effect on logits, the final norm held at this run’s scale; not what later layers make of it.',
    },
    {
      name: 'the rest',
      formula: 'added − Σ shown − biases',
      ...(one?.rest
        ? { value: `norm ${figures(one.rest.norm)}, share ${(one.rest.share * 100).toFixed(2)} %` }
        : {}),
      note: 'All other nodes together, so that the rows sum to what the layer added, exactly.',
    },
  ];
}
