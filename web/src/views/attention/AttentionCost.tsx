/** What cannot be sent at once is said before it is asked, with what can. */
import { count } from '../../draw/format';
import { setAttention } from './attentionState';
import { partOf, type Head } from './picks';
import type { AttentionCost } from './request';

interface Props {
  cost: AttentionCost;
  limit: number;
  heads: readonly Head[];
  length: number;
}

const LAST = 256;

export function TooLarge({ cost, limit, heads, length }: Props) {
  const sides = cost.runs === 2 ? ' × 2 sides' : '';
  const [first] = heads;
  return (
    <section className="no-lens" data-testid="attention-cost">
      <h2>These patterns are larger than the server allows</h2>
      <p>
        {count(cost.heads, 'head')} × {count(cost.queries, 'token')} that look ×{' '}
        {cost.keys.toLocaleString('en')} looked at{sides} = {cost.numbers.toLocaleString('en')}{' '}
        numbers; at most {limit.toLocaleString('en')} are sent.
      </p>
      <p className="cost-actions">
        <span className="faint">Ask for less:</span>
        {partOf(heads) === 'encoder' ? null : (
          <>
            <button
              type="button"
              className="primary"
              data-testid="cost-position"
              onClick={() => setAttention({ queries: 'position' })}
            >
              what the chosen token looks at
            </button>
            <button type="button" onClick={() => setAttention({ queries: lastPositions(length) })}>
              what the last {LAST} tokens look at
            </button>
          </>
        )}
        {first && heads.length > 1 ? (
          <button type="button" onClick={() => setAttention({ picks: [first] })}>
            one head
          </button>
        ) : null}
      </p>
    </section>
  );
}

function lastPositions(length: number): number[] {
  const first = Math.max(0, length - LAST);
  return Array.from({ length: length - first }, (_, at) => first + at);
}
