/** What the tokens have in common: labels beside their base rates; those that are clicked narrow the list. */
import { useState } from 'react';
import { Segments } from '../../shared/parts/parts';
import { showCorpus, useCorpus, type CorpusState } from './corpusState';
import { COLUMNS } from './Narrowed';
import { writtenOnly } from './listing';
import type { Hits } from './query';
import { isLabelled, type About } from './request';

type Share = NonNullable<Hits['labels']>['items'][number];

const SHOWN = 8;

interface Props {
  data: Hits;
  about: About;
  /** Null: nothing can be counted. */
  of: CorpusState['of'] | null;
  causal: boolean;
}

export function CorpusSummary({ data, about, of, causal }: Props) {
  const corpus = useCorpus();
  const options = [
    ...(isLabelled(about) ? [['match', 'match', 'The tokens that were found'] as const] : []),
    ...(isLabelled(about) && causal ? [['next', 'next', 'The tokens after them'] as const] : []),
    ...(corpus.ask === 'like'
      ? [
          [
            'attended',
            'attended',
            'The token that each attends to most; computed for each',
          ] as const,
        ]
      : []),
  ];
  const labels = data.labels?.items.length ? data.labels : null; // of no token there are none
  return (
    <aside
      className="corpus-summary"
      aria-label="What they have in common"
      data-testid="corpus-summary"
    >
      <div className="corpus-of">
        <h3>In common</h3>
        {of !== null && options.length > 1 ? (
          <Segments
            name="corpus-of"
            label="Whose labels are counted"
            value={of}
            options={options}
            onChange={(chosen: CorpusState['of']) => showCorpus({ of: chosen })}
          />
        ) : null}
      </div>
      {labels ? (
        Object.entries(COLUMNS).map(([column, title]) => (
          <Column
            key={column}
            title={title}
            items={labels.items.filter((one) => one.column === column)}
            of={labels.of}
          />
        ))
      ) : (
        <p className="faint">
          {isLabelled(about)
            ? 'Nothing to count.'
            : 'This corpus has no labels: build it with a spaCy pipeline to see parts of speech, dependencies and entities.'}
        </p>
      )}
      {labels ? (
        <p className="faint corpus-legend">
          Bar: share of the {data.listed}, or of those that fit what is chosen in other columns,
          with its 95% interval; tick: share in all texts. × is one over the other. A click lists
          these alone, clicks in several columns what fits all.
        </p>
      ) : null}
    </aside>
  );
}

interface ColumnProps {
  title: string;
  items: readonly Share[];
  of: CorpusState['of'];
}

function Column({ title, items, of }: ColumnProps) {
  const [all, setAll] = useState(false);
  if (items.length === 0 || items.every(({ label }) => label === '')) return null;
  const shown = all ? items : items.slice(0, SHOWN);
  const rest = items.length - SHOWN;
  return (
    <section>
      <h4>{title}</h4>
      <ul className="corpus-shares">
        {shown.map((one) => (
          <li key={one.label}>
            <ShareRow share={one} of={of} />
          </li>
        ))}
      </ul>
      {rest > 0 ? (
        <button
          type="button"
          className="link corpus-more"
          aria-expanded={all}
          data-testid={`more-${title}`}
          onClick={() => setAll(!all)}
        >
          {all ? 'fewer' : `${rest} more`}
        </button>
      ) : null}
    </section>
  );
}

function ShareRow({ share, of }: { share: Share; of: CorpusState['of'] }) {
  const { only } = useCorpus();
  const { column, label, count, base, lift, low, high } = share;
  const said = label === '' ? 'none' : label;
  const title = [
    `${said}: ${count} of ${share.n}, ${(100 * share.share).toFixed(0)}%`,
    base === null ? null : `${(100 * base).toFixed(1)}% of all tokens`,
    lift === null ? null : `lift ${lift.toFixed(2)}, 95% ${low?.toFixed(2)}–${high?.toFixed(2)}`,
  ]
    .filter((one) => one !== null)
    .join('; ');
  const inside = (
    <>
      <span className="corpus-share-label">{said}</span>
      <span className="corpus-share-bar" aria-hidden="true">
        <span style={{ width: `${100 * share.share}%` }} />
        {base === null ? null : <i style={{ left: `${100 * base}%` }} />}
        {base === null || low === null || high === null ? null : (
          <b style={{ left: `${100 * base * low}%`, width: `${100 * base * (high - low)}%` }} />
        )}
      </span>
      <span className="number">{count}</span>
      <span className="number faint">{lift === null ? '' : `×${liftText(lift)}`}</span>
    </>
  );
  const written = writtenOnly({ of, column, label });
  const pressed = only.includes(written);
  const press = () =>
    showCorpus({ only: pressed ? only.filter((one) => one !== written) : [...only, written] });
  return (
    <button
      type="button"
      className="corpus-share"
      title={`${title}. Of those listed, only these`}
      aria-pressed={pressed}
      data-testid={`share-${column}-${label}`}
      onClick={press}
    >
      {inside}
    </button>
  );
}

function liftText(lift: number): string {
  return lift >= 10 ? lift.toFixed(0) : lift.toFixed(1);
}
