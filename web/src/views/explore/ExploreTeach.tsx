/** What a question is good for, with examples that run with one click. */
import type { ModelInfo } from '../../shared/api/queries';
import type { Explore, Question } from '../../shared/text/explore';
import { ask, useExplore } from '../../shared/state/exploring';

interface Lesson {
  title: string;
  text: string;
  examples: ReadonlyArray<readonly [label: string, patch: Partial<Explore>]>;
}

const LESSONS: Record<Question, Lesson> = {
  search: {
    title: 'Which neurons are about a theme?',
    text: 'A feed-forward neuron adds its value vector to the residual stream whenever it fires. Read through the unembedding, the vector says which tokens it raises and which it lowers. Search them by words, then switch some on or off and see what the model makes of it.',
    examples: [
      ['doctor, hospital', { words: 'doctor, hospital' }],
      ['football, soccer', { words: 'football, soccer' }],
      ['music', { words: 'music' }],
    ],
  },
  token: {
    title: 'Which neurons raise one token most?',
    text: 'Every vector is asked, not only those that list the token among their strongest. The score is what one unit of activation adds to the token’s logit, before the final norm. Write the space that belongs to a token as ␣.',
    examples: [
      ['␣Tokyo', { token: ' Tokyo' }],
      ['␣she, lowered', { token: ' she', side: 'suppressed' }],
    ],
  },
  similar: {
    title: 'Which neurons write in the same direction?',
    text: 'By cosine: to the value vector of another neuron, to a token’s direction or the difference of two, or to the residual stream of the prompt that runs, at any layer.',
    examples: [
      ['␣king − ␣man', { like: 'tokens', plus: ' king', minus: ' man' }],
      ['this run', { like: 'state' }],
    ],
  },
  browse: { title: '', text: '', examples: [] },
  clusters: { title: '', text: '', examples: [] },
  labels: { title: '', text: '', examples: [] },
};

export function ExploreTeach({ model }: { model: ModelInfo | null }) {
  const { ask: question } = useExplore();
  const { title, text, examples } = LESSONS[question];
  return (
    <section className="welcome explore-teach" data-testid="explore-teach">
      <h2>{title}</h2>
      <p>{text}</p>
      <p className="explore-examples">
        <span className="faint">Try</span>
        {examples.map(([label, patch]) => (
          <button key={label} type="button" className="example" onClick={() => ask(patch)}>
            {label}
          </button>
        ))}
      </p>
      <ul className="welcome-keys">
        <li>
          <kbd>↑</kbd> <kbd>↓</kbd> move in the list, <kbd>Enter</kbd> looks at a vector,{' '}
          <kbd>p</kbd> opens its page
        </li>
        <li>
          <kbd>x</kbd> switches it off, <kbd>o</kbd> on; both say in the tray above what they do
        </li>
        <li>
          {model ? `L0.N0 to L${model.n_layers - 1}.N${model.d_mlp - 1}` : 'Neurons'}: layer and
          number, both from 0
        </li>
      </ul>
    </section>
  );
}
