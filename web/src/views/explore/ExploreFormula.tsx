/** How what is listed was computed, with the value of the first hit. */
import type { Hits } from '../../shared/api/explore';
import { Formula, type FormulaLine } from '../../shared/parts/Formula';
import type { Explore } from '../../shared/text/explore';
import { useExplore } from '../../shared/state/exploring';

export function ExploreFormula({ data }: { data: Hits | null }) {
  const explore = useExplore();
  const first = data?.items[0];
  return (
    <Formula
      title="How vectors are found"
      lines={[
        {
          name: 'value vector',
          formula: 'v = W_out[neuron]  (∘ weight of the post-norm, × residual multiplier)',
          note: 'What one unit of activation adds to the residual stream.',
          ...(first ? { value: `norm ${first.norm.toPrecision(5)} for ${first.node}` } : {}),
        },
        {
          name: 'tokens of a vector',
          formula:
            explore.projection === 'raw' ? 'W_U · v' : 'W_U · ( weight of the final norm ∘ v )',
          note: 'Logits per unit of activation, whatever runs. The highest and the lowest ones are kept in the index.',
        },
        ...scoreOf(explore, first),
      ]}
    />
  );
}

function scoreOf(explore: Explore, first: Hits['items'][number] | undefined): FormulaLine[] {
  const value = first ? { value: `${first.score.toPrecision(4)} for ${first.node}` } : {};
  switch (explore.ask) {
    case 'search':
      return [
        explore.ranking === 'bm25'
          ? {
              name: 'BM25',
              formula: 'Σ idf · n ( k₁ + 1 ) / ( n + k₁ ),  k₁ = 1.2',
              note: 'n: how many of the word’s tokens the list has. idf is large for words that few lists have. Scores of tokens do not count.',
              ...value,
            }
          : {
              name: 'strength',
              formula: 'mean over words of ( best token ÷ top token ) × ( matched ÷ whole list )',
              note: '1 is a vector whose list is nothing but the words. Shares are of the scores W_U · v in the list.',
              ...value,
            },
      ];
    case 'token':
      return [
        {
          name: 'score',
          formula: 'W_U[token] · v',
          note: 'Exact, over every vector of every layer.',
          ...value,
        },
      ];
    case 'similar':
      return [
        {
          name: 'cosine',
          formula: 'v · d / ( ‖v‖ ‖d‖ )',
          note: 'd: the direction asked for.',
          ...value,
        },
      ];
    default:
      return [];
  }
}
