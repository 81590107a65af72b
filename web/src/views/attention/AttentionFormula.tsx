/** How the numbers of attention are computed, with their values on this run. */
import type { Attention } from '../../draw/attention/data';
import { patternOf, type PanelMode } from '../../draw/attention/pattern';
import { tokenWords, valueText } from '../../draw/attention/text';
import { percent } from '../../draw/format';
import { Formula, type FormulaLine } from '../../shared/parts/Formula';
import { keptPairs } from './pairs';

interface Props {
  attention: Attention;
  mode: PanelMode;
  head: string | null;
}

export function AttentionFormula(props: Props) {
  return <Formula title="How attention is computed" lines={formulas(props)} />;
}

function formulas({ attention, mode, head }: Props): FormulaLine[] {
  const { meta } = attention;
  const pattern = patternOf(attention, mode, head);
  const [best] = keptPairs(pattern);
  const value = best
    ? {
        value: `${valueText(pattern, best.value)}: from ${tokenWords(pattern, 'query', best.query)} (${best.query}) to ${tokenWords(pattern, 'key', best.key)} (${best.key}), the strongest pair drawn`,
      }
    : {};
  return [
    {
      name: 'a pattern',
      formula: 'a[query, key] = softmax_key( q_query · k_key · scale + mask )',
      ...(meta.measure === 'attention' ? value : {}),
      note: 'For each head, how a token shares out its attention: the keys it looks at sum to 1. A causal model’s mask leaves out what comes later. Attention says where a head looks, not what it does with it.',
    },
    {
      name: 'what is moved',
      formula: '‖ a[query, key] · v_key W_O[h] ‖',
      ...(meta.measure === 'moved' ? value : {}),
      note: 'The vector that a head carries from key to query, and its norm; what the block applies after W_O is included. After Kobayashi et al. (2020).',
    },
    {
      name: 'effect on the target',
      formula: 'a[query, key] · (v_key W_O[h]) · ∂ logit(target) / ∂ residual',
      ...(meta.measure === 'target' ? value : {}),
      note: 'The same vector, read toward the target at the query with the final norm’s scale as it was: all keys of a head sum to its direct effect.',
    },
    {
      name: meta.combine === 'mean' ? 'mean of heads' : 'sum of heads',
      formula: meta.combine === 'mean' ? 'Σ_h w_h x_h / Σ_h w_h' : 'Σ_h w_h x_h',
      value: `of ${meta.heads.length === 1 ? meta.heads[0] : `${meta.heads.length} heads`}${meta.weights.some((weight) => weight !== 1) ? ', weighted' : ''}`,
    },
    {
      name: 'pairs drawn',
      formula: 'of each query the fewest with Σ |x| ≥ mass · Σ_key |x|',
      value: `${pattern.edges.values.length.toLocaleString('en')} pairs at ${percent(meta.mass)}`,
      note:
        meta.special === 'shown'
          ? 'Special tokens are shown as they are.'
          : `Special tokens are hidden: their rows and columns are 0${meta.special === 'renormalised' ? ', and the rest of each row of the pattern is made to sum to 1' : ''}.`,
    },
  ];
}
