/** The labels that the list is narrowed to, as chips that go one by one. */
import { Icon } from '../../shared/parts/parts';
import { askCorpus, FILTERS, showCorpus, useCorpus } from './corpusState';
import { onlyOf, type Only } from './listing';

export const COLUMNS = {
  pos: 'part of speech',
  tag: 'tag',
  dep: 'dependency',
  entity: 'entity',
  offset: 'tokens away',
} as const;

export function Narrowed({ count }: { count: number }) {
  const { only } = useCorpus();
  const chosen = only.flatMap((written) => {
    const found = onlyOf(written);
    return found ? [{ written, ...found }] : [];
  });
  if (chosen.length === 0) return null;
  return (
    <p className="corpus-narrowed" data-testid="corpus-narrowed">
      <span>{count.toLocaleString('en')} of them with</span>
      {chosen.map((one) => (
        <span key={one.written} className="corpus-chip" data-testid={`chip-only-${one.written}`}>
          <span className="faint">
            {one.of}, {COLUMNS[one.column as keyof typeof COLUMNS] ?? one.column}
          </span>{' '}
          {one.label || 'none'}
          <InAll only={one} />
          <button
            type="button"
            className="icon-button"
            aria-label={`List those without ${one.of} ${one.label || 'none'}, too`}
            onClick={() => showCorpus({ only: only.filter((other) => other !== one.written) })}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      {chosen.length > 1 ? (
        <button type="button" className="link" onClick={() => showCorpus({ only: [] })}>
          list all
        </button>
      ) : null}
    </p>
  );
}

/** Of the match itself the whole corpus can be asked for tokens of that label. */
function InAll({ only: { of, column, label } }: { only: Only }) {
  const filter = FILTERS.find((name) => name === column);
  if (of !== 'match' || !filter || label === '') return null;
  return (
    <button
      type="button"
      className="link"
      title="Ask the whole corpus for tokens with this label, instead of those listed"
      data-testid={`in-all-${column}-${label}`}
      onClick={() => askCorpus({ [filter]: [label] })}
    >
      in all texts
    </button>
  );
}
