/** How what is listed was computed, with the value of the first hit. */
import { Formula, type FormulaLine } from '../../shared/parts/Formula';
import { useCorpus } from './corpusState';
import type { Hits } from './query';

const RELATIONS: FormulaLine[] = [
  {
    name: 'share',
    formula: '#{ x : argmaxₖ pattern[h, x, k] ∈ R(x) } ÷ #{ x : R(x) ≠ ∅ }',
    note: 'R(x): the tokens in sight of x that are in the relation to it; special tokens are left out.',
  },
  {
    name: 'base',
    formula: 'mean |R(x)| ÷ tokens in sight of x',
    note: 'What any token in sight alike would give. Lift is share over base.',
  },
  {
    name: 'best distance',
    formula: 'max_d #{ x : x + d ∈ R(x) } ÷ #{ x : R(x) ≠ ∅ }',
    note: 'What a head that always looks so many tokens away would give (Clark et al., 2019).',
  },
  {
    name: 'relations',
    formula: 'head, child; head: det, child: det',
    note: 'head: the word that the token’s word depends on; child: one that depends on it; with one label alone. entity: any token of a named entity other than itself.',
  },
];

export function CorpusFormula({ data }: { data: Hits | null }) {
  const { ask, by, weighting } = useCorpus();
  const score = data?.items[0]?.score;
  const value =
    score === null || score === undefined ? {} : { value: `${score.toFixed(4)}, first` };
  const lines: FormulaLine[] = [];
  if (ask === 'heads') return <Formula title="What heads look at" lines={RELATIONS} />;
  if (ask === 'like' && by === 'hidden')
    lines.push({
      name: 'score',
      formula: 'x · y / ( ‖x‖ ‖y‖ )',
      note: 'x: the residual stream at the chosen token, y: at a token of the corpus, same layer. Exact; of a large corpus without a filter, lists of like tokens say which are compared, and the count says what that finds.',
      ...value,
    });
  if (ask === 'like' && by === 'context')
    lines.push({
      name: 'score',
      formula:
        weighting === 'query' ? 'Σₕ ‖zₕ(x)‖ cos( zₕ(x), zₕ(y) )' : 'meanₕ cos( zₕ(x), zₕ(y) )',
      note: 'zₕ: what head h read, before W_O. Only the chosen heads count.',
      ...value,
    });
  lines.push(
    {
      name: 'lift',
      formula: 'share among these ÷ share among all tokens of the texts',
      note: 'Special tokens left out. The interval is Wilson’s, 95%, of the share; the base rate is taken as known.',
    },
    {
      name: 'attention',
      formula: 'meanₕ pattern[h, match, ·]',
      note: 'Of the layer that was compared and the heads that were; computed anew for each sentence.',
    },
  );
  return <Formula title="How tokens are found" lines={lines} />;
}
