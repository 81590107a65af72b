/** What the numbers of a graph are. */
import { part, percent } from '../../draw/format';
import { Formula } from '../../shared/parts/Formula';
import type { GraphAnswer } from './query';

export function GraphFormula({ answer }: { answer: GraphAnswer }) {
  return (
    <Formula
      title="What the graph says"
      lines={[
        {
          name: 'an edge',
          formula: 'what the source adds to the target’s value directly',
          note: 'With attention patterns and scales of norms held as they are in the run: through the stream and attention, through no other feed-forward. All edges into a node and its bias sum to its value.',
        },
        {
          name: 'influence',
          formula: 'Σ over paths Π |edge| ÷ Σ |edges into its target|',
          note: 'Of all paths from a node to what is explained, each token by its probability.',
        },
        {
          name: 'replacement',
          formula: 'influence of tokens ÷ (of tokens + of errors)',
          value: part(answer.replacement),
        },
        {
          name: 'completeness',
          formula: 'mean part of what goes into a node that is no error',
          value: part(answer.completeness),
          note: 'Each node by its influence.',
        },
        {
          name: 'not explored',
          formula: 'influence of active latents that are no nodes',
          value: percent(answer.unexplored),
        },
      ]}
    />
  );
}
