/** The heads of the whole model beside the picture: how they are sorted, found and scored. */
import { useState, type ReactNode } from 'react';
import { problemAt } from '../../shared/api/client';
import { useProblems } from '../../shared/state/problems';
import { Segments } from '../../shared/parts/parts';
import { HeadGrid, type HeadGridProps } from './HeadGrid';
import { mostHeads, partOf } from './picks';
import { kindOf } from './scores';
import { ORDERS, setAttention, useAttentionSpec, type Order } from './attentionState';

const ORDER_WORDS: Readonly<Record<Order, string>> = {
  layer: 'layer',
  previous: 'token before',
  next: 'token behind',
  first: 'first token',
  same: 'the position itself',
  repeated: 'the same token earlier',
  induction: 'induction',
  punctuation: 'punctuation',
  entropy: 'entropy',
  distance: 'distance',
  score: 'a sum of scores …',
};

/** px: of the panel, of the layers' names, of a head. */
const NARROWEST = 264;
const LABELS = 60;
const TILE = 52;

interface Props extends HeadGridProps {
  /** The thumbnails are of what was asked before. */
  stale: boolean;
  /** What is said where there are no thumbnails or scores. */
  problem: ReactNode;
}

export function HeadPanel({ stale, problem, ...grid }: Props) {
  const { order, scored, find } = useAttentionSpec();
  const { scores } = grid;
  const kind = kindOf(order, scores);
  const sentence = kind === null ? null : scores?.sentences[scores?.kinds.indexOf(kind)];
  return (
    <section
      className={`head-panel ${stale ? 'stale' : ''}`}
      aria-busy={stale}
      aria-label="All heads"
      style={{
        maxWidth: Math.max(NARROWEST, LABELS + mostHeads(grid.model, partOf(grid.heads)) * TILE),
      }}
    >
      <div className="head-controls">
        <label>
          <span className="faint">by</span>{' '}
          <select
            aria-label="Heads are sorted by"
            data-testid="head-order"
            value={order}
            onChange={(event) => setAttention({ order: event.target.value as Order })}
          >
            {ORDERS.map((one) => (
              <option key={one} value={one}>
                {ORDER_WORDS[one]}
              </option>
            ))}
          </select>
        </label>
        <input
          type="search"
          placeholder="find L5, or a name"
          aria-label="Find a head by its name"
          data-testid="head-find"
          value={find}
          onChange={(event) => setAttention({ find: event.target.value }, 'replace')}
        />
        {order === 'layer' ? null : (
          <Segments
            name="head-scored"
            label="What heads are scored on"
            value={scored}
            options={[
              ['prompt', 'this prompt', 'Scores are means over the tokens of the prompt'],
              ['repeats', 'repeats', 'Random tokens that come twice: what induction heads live on'],
            ]}
            onChange={(value) => setAttention({ scored: value })}
          />
        )}
      </div>
      {order === 'score' ? <TypedScore kinds={scores?.kinds ?? []} /> : null}
      {sentence ? <p className="option-note head-note">{sentence}</p> : null}
      {problem}
      <HeadGrid {...grid} />
      <p className="option-note head-note">
        Rows look, columns are looked at; on a square root, each head by its own largest share.
        Point at one to see it, click to add it.
      </p>
    </section>
  );
}

/** "induction - 0.5*first"; taken over with Enter, or when the field is left. */
function TypedScore({ kinds }: { kinds: readonly string[] }) {
  const { score } = useAttentionSpec();
  const [draft, setDraft] = useState(score);
  const [from, setFrom] = useState(score);
  if (from !== score) {
    setFrom(score);
    setDraft(score);
  }
  const problem = useProblems((error) => problemAt(error, 'score'));
  const commit = () => {
    if (draft.trim() !== score) setAttention({ score: draft.trim() });
  };
  return (
    <div className="attention-typed head-score">
      <input
        className="mono"
        data-testid="head-score"
        aria-label="A sum of scores, as in induction - 0.5*first"
        placeholder="induction - 0.5*first"
        autoComplete="off"
        spellCheck={false}
        title={`Of ${kinds.join(', ')}, each with a factor`}
        value={draft}
        aria-invalid={problem !== null}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
        }}
      />
    </div>
  );
}
