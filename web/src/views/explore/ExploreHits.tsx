/** What was found: one line for each vector, with what can be done with it. */
import { useRef, useState, type KeyboardEvent } from 'react';
import type { Hits } from '../../shared/api/explore';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { Icon } from '../../shared/parts/parts';
import { MOST_SIMILAR, PAGE, type Explore } from '../../shared/text/explore';
import { ask, openPage, useExplore } from '../../shared/state/exploring';
import { switchNode } from '../../shared/state/store';
import { ExploreTeach } from './ExploreTeach';
import { HitRow } from '../../shared/parts/HitRow';

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

interface ListProps {
  hits: Hits['items'];
  model: ModelInfo | null;
  /** What the score is; "" where there is none. */
  unit: string;
}

/** Arrows move between hits; only the chosen one takes part in the order of Tab. */
export function HitList({ hits, model, unit }: ListProps) {
  const place = useRef<HTMLOListElement>(null);
  const [active, setActive] = useState(0);
  const most = Math.max(...hits.map((hit) => Math.abs(hit.score)), 1e-12);
  const at = Math.min(active, hits.length - 1);
  const move = (to: number) => {
    const next = Math.max(0, Math.min(hits.length - 1, to));
    setActive(next);
    place.current?.querySelectorAll<HTMLButtonElement>('.hit-node')[next]?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const node = hits[at]?.node;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const act = node && plain ? actions(node, at, move)[event.key] : undefined;
    if (!act || !(event.target instanceof HTMLElement) || event.target.closest('.popover')) return;
    event.preventDefault();
    act();
  };
  return (
    <>
      <p className="hits-head faint" aria-hidden="true">
        <span>vector</span>
        <span>{unit}</span>
        <span>
          promotes <span className="hits-signs">−</span> suppresses
        </span>
      </p>
      {/* The keys of a row's buttons, caught in one place. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <ol className="hit-list" ref={place} onKeyDown={onKeyDown} data-testid="hits">
        {hits.map((hit, index) => (
          <HitRow
            key={hit.node}
            hit={hit}
            index={index}
            share={unit === '' ? null : hit.score / most}
            tabbable={index === at}
            onFocus={() => setActive(index)}
            model={model}
          />
        ))}
      </ol>
    </>
  );
}

function actions(
  node: string,
  at: number,
  move: (to: number) => void,
): Record<string, (() => void) | undefined> {
  return {
    ArrowDown: () => move(at + 1),
    ArrowUp: () => move(at - 1),
    Home: () => move(0),
    End: () => move(Infinity),
    x: () => switchNode(node, 'zero'),
    o: () => switchNode(node, 'on'),
    p: () => openPage(node),
  };
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
