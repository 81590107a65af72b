/** What the tokens have in common: labels beside their base rates; a label that is clicked becomes a filter. */
import { Segments } from '../../shared/parts/parts';
import {
  askCorpus,
  FILTERS,
  showCorpus,
  useCorpus,
  type CorpusState,
  type Filter,
} from './corpusState';
import { writtenOnly } from './listing';
import type { Hits } from './query';
import { isLabelled, type About } from './request';

type Share = NonNullable<Hits['labels']>['items'][number];

const COLUMNS = {
  pos: 'part of speech',
  tag: 'tag',
  dep: 'dependency',
  entity: 'entity',
  offset: 'tokens away',
} as const;
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
            onChange={(chosen: CorpusState['of']) => showCorpus({ of: chosen, only: '' })}
          />
        ) : null}
      </div>
      {data.labels ? (
        Object.entries(COLUMNS).map(([column, title]) => (
          <Column
            key={column}
            title={title}
            column={column}
            items={data.labels?.items.filter((one) => one.column === column) ?? []}
            of={data.labels?.of ?? 'match'}
          />
        ))
      ) : (
        <p className="faint">
          {isLabelled(about)
            ? 'Nothing to count.'
            : 'This corpus has no labels: build it with a spaCy pipeline to see parts of speech, dependencies and entities.'}
        </p>
      )}
      {data.labels ? (
        <p className="faint corpus-legend">
          Bar: share of the {data.labels.n}, with its 95% interval; tick: share in all texts. × is
          one over the other. A click {data.labels.of === 'match' ? 'asks for' : 'lists'} these
          alone.
        </p>
      ) : null}
    </aside>
  );
}

interface ColumnProps {
  title: string;
  column: string;
  items: readonly Share[];
  of: CorpusState['of'];
}

function Column({ title, column, items, of }: ColumnProps) {
  if (items.length === 0 || items.every(({ label }) => label === '')) return null;
  const shown = items.slice(0, SHOWN);
  const rest = items.length - shown.length;
  const filter = FILTERS.find((name) => name === column);
  return (
    <section>
      <h4>{title}</h4>
      <ul className="corpus-shares">
        {shown.map((one) => (
          <li key={one.label}>
            <ShareRow
              share={one}
              of={of}
              filter={of === 'match' && one.label !== '' ? filter : undefined}
            />
          </li>
        ))}
      </ul>
      {rest > 0 ? <p className="faint">and {rest} more</p> : null}
    </section>
  );
}

interface RowProps {
  share: Share;
  of: CorpusState['of'];
  /** Of matches: what asks the corpus for these alone. Others narrow what is listed. */
  filter: Filter | undefined;
}

function ShareRow({ share, of, filter }: RowProps) {
  const corpus = useCorpus();
  const { column, label, count, base, lift, low, high } = share;
  const said = label === '' ? 'none' : label;
  const title = [
    `${said}: ${count}, ${(100 * share.share).toFixed(0)}%`,
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
  const only = writtenOnly({ of, column, label });
  const pressed = corpus.only === only;
  const press = () => {
    if (filter) askCorpus({ [filter]: [label] });
    else showCorpus({ only: pressed ? '' : only });
  };
  return (
    <button
      type="button"
      className="corpus-share"
      title={`${title}. ${filter ? 'Ask for these alone' : 'Of those listed, only these'}`}
      aria-pressed={filter ? undefined : pressed}
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
