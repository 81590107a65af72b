/** What was found: one line for each vector, with what can be done with it. */
import type { Hits } from '../../shared/api/explore';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { Icon } from '../../shared/parts/parts';
import { MOST_SIMILAR, PAGE, type Explore } from '../../shared/text/explore';
import { ask, useExplore } from '../../shared/state/exploring';
import { ExploreTeach } from './ExploreTeach';
import { HitList } from '../../shared/parts/HitList';

interface Props {
  analysis: Analysis<Hits>;
  model: ModelInfo | null;
  /** The question is complete. */
  asked: boolean;
}

export function ExploreHits({ analysis, model, asked }: Props) {
  const explore = useExplore();
  const { data } = analysis;
  if (!asked) return <ExploreTeach model={model} />;
  if (!data) return <div className="hits" />;
  const page = pageOf(explore, data);
  return (
    <div className={`hits ${analysis.current ? '' : 'stale'}`} aria-busy={analysis.busy}>
      {data.items.length === 0 ? (
        <p className="hits-none" data-testid="no-hits">
          No vector answers this.{' '}
          {explore.layers ? (
            <button type="button" className="link" onClick={() => ask({ layers: null })}>
              Look in every layer
            </button>
          ) : null}{' '}
          {explore.ask === 'search' && explore.combine === 'all' ? (
            <button type="button" className="link" onClick={() => ask({ combine: 'any' })}>
              Take any of the words
            </button>
          ) : null}
        </p>
      ) : (
        <HitList hits={data.items.slice(page.skip)} model={model} unit={unitOf(explore)} />
      )}
      <Pager page={page} total={data.total} />
    </div>
  );
}

/** What the score of a hit is. */
export function unitOf(explore: Explore): string {
  switch (explore.ask) {
    case 'search':
      return explore.ranking === 'bm25' ? 'BM25' : 'strength';
    case 'token':
      return 'logit per unit';
    case 'similar':
      return 'cosine';
    default:
      return '';
  }
}

interface Page {
  first: number;
  last: number;
  /** Items of the answer that belong to earlier pages. */
  skip: number;
  /** How many can be walked through. */
  most: number;
  go: (first: number) => void;
}

function pageOf(explore: Explore, data: Hits): Page {
  if (explore.ask === 'browse') {
    const last = explore.first + data.items.length;
    return { first: explore.first, last, skip: 0, most: data.total, go: goTo('first') };
  }
  const similar = explore.ask === 'similar';
  const skip = similar ? Math.min(explore.offset, data.items.length) : 0;
  return {
    first: explore.offset,
    last: explore.offset + data.items.length - skip,
    skip,
    most: similar ? Math.min(MOST_SIMILAR, data.total) : data.total,
    go: goTo('offset'),
  };
}

function goTo(key: 'first' | 'offset'): (first: number) => void {
  return (first) => ask({ [key]: Math.max(0, first) });
}

function Pager({ page, total }: { page: Page; total: number }) {
  if (page.last === 0) return null;
  const number = (value: number) => value.toLocaleString('en');
  return (
    <nav className="pager" aria-label="Pages">
      <button
        type="button"
        className="icon-button"
        data-testid="previous-page"
        aria-label="Previous page"
        disabled={page.first === 0}
        onClick={() => page.go(page.first - PAGE)}
      >
        <Icon name="back" />
      </button>
      <span className="number" data-testid="page">
        {number(page.first + 1)}–{number(page.last)}{' '}
        <span className="faint">of {number(total)}</span>
      </span>
      <button
        type="button"
        className="icon-button"
        data-testid="next-page"
        aria-label="Next page"
        disabled={page.last >= page.most}
        onClick={() => page.go(page.first + PAGE)}
      >
        <Icon name="forward" />
      </button>
    </nav>
  );
}
