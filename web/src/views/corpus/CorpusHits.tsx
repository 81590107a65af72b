/** What was found: one line for each token, its sentence around it; only what is in sight is drawn. */
import {
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type CSSProperties,
  type KeyboardEvent,
} from 'react';
import { pressed } from '../../draw/keys';

import { useSpec } from '../../shared/state/store';
import { HitLine } from './HitLine';
import { CORPUS_KEYS } from './corpusKeys';
import { askCorpus, FILTERS, showCorpus, useCorpus, type CorpusState } from './corpusState';
import { Narrowed } from './Narrowed';
import { listed, offsetName } from './listing';
import { CHUNK, useSentences, type Hit, type Hits } from './query';
import { keptOf, type About } from './request';
import { LINE, litOf } from './sentence';

const BEYOND = 6;

interface Props {
  data: Hits;
  about: About;
}

export function CorpusHits({ data, about }: Props) {
  const corpus = useCorpus();
  const scroller = useRef<HTMLDivElement>(null);
  const { order, column } = corpus;
  const items = useMemo(
    () => listed(data.items, order, data.offsets, column),
    [data, order, column],
  );
  const [first, last] = useInSight(scroller, items.length);
  const chosen = items.findIndex(({ row }) => row === corpus.chosen);
  useEffect(() => {
    const box = scroller.current;
    if (!box || chosen < 0) return;
    const top = chosen * LINE;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + LINE > box.scrollTop + box.clientHeight)
      box.scrollTop = top + LINE - box.clientHeight;
  }, [chosen]);
  if (data.listed === 0) return <Nothing />;
  const scored = data.query !== null;
  return (
    <section
      className={`corpus-hits ${about.files.length > 1 ? '' : 'one-file'}`}
      aria-label="What was found"
    >
      <p
        className="corpus-count"
        data-testid="corpus-count"
        title="Special tokens are kept, and never found"
      >
        {data.listed.toLocaleString('en')} of {data.total.toLocaleString('en')} tokens
        {order !== 'score' ? null : scored ? ', nearest first' : ', in the order of the texts'}
        {data.site ? <span className="faint"> · by {data.site}</span> : null}
        {scored ? <HowFound recall={data.recall ?? null} /> : null}
      </p>
      <Narrowed count={items.length} />
      {data.offsets.length > 0 ? <Heads offsets={data.offsets} scored={scored} /> : null}
      <div
        ref={scroller}
        className="corpus-lines"
        role="listbox"
        tabIndex={0}
        aria-label="Tokens in their sentences"
        aria-activedescendant={chosen < 0 ? undefined : `corpus-hit-${chosen}`}
        data-testid="corpus-hits"
        style={columnsOf(data.offsets)}
        onKeyDown={(event) => walk(event, items, chosen)}
      >
        <div style={{ height: items.length * LINE, position: 'relative' }}>
          <Lines data={data} items={items} about={about} first={first} last={last} />
        </div>
      </div>
    </section>
  );
}

/** Whether every token was compared, or what is found by lists of like ones. */
function HowFound({ recall }: { recall: number | null }) {
  const { exact } = useCorpus();
  if (recall === null && !exact) return <span className="faint"> · exact</span>;
  return (
    <span className="faint" data-testid="corpus-recall">
      {recall === null
        ? ' · exact '
        : ` · approximate: finds ${(100 * recall).toFixed(1)}% of the nearest, measured on this corpus `}
      <button type="button" className="link" onClick={() => askCorpus({ exact: !exact })}>
        {recall === null ? 'allow approximate' : 'compare every token'}
      </button>
    </span>
  );
}

/** Room for the tokens around the match. */
function columnsOf(offsets: readonly number[]): CSSProperties {
  return { '--around': offsets.map(() => 'var(--beside)').join(' ') } as CSSProperties;
}

/** What the columns are; a click sorts by one, another one as they were found. */
function Heads({ offsets, scored }: { offsets: readonly number[]; scored: boolean }) {
  return (
    <div className="corpus-line corpus-heads-row" style={columnsOf(offsets)}>
      <Head order="score">{scored ? 'score' : 'order'}</Head>
      <span />
      <Head order="match">match</Head>
      <span />
      {offsets.map((offset) => (
        <Head key={offset} order={String(offset)}>
          {offsetName(offset)}
        </Head>
      ))}
    </div>
  );
}

function Head({ order, children }: { order: CorpusState['order']; children: string }) {
  const sorted = useCorpus().order === order;
  return (
    <button
      type="button"
      className="link"
      aria-pressed={sorted}
      data-testid={`order-${order}`}
      title={order === 'score' ? 'As they were found' : 'Sort by what stands there'}
      onClick={() => showCorpus({ order: sorted ? 'score' : order })}
    >
      {children}
      {sorted ? ' ↓' : ''}
    </button>
  );
}

interface LinesProps extends Props {
  items: readonly Hit[];
  first: number;
  last: number;
}

function Lines(props: LinesProps) {
  const { first, last } = props;
  const chunks = [];
  for (let at = Math.floor(first / CHUNK); at * CHUNK <= last; at += 1) chunks.push(at);
  return (
    <>
      {chunks.map((at) => (
        <Chunk key={at} at={at} {...props} />
      ))}
    </>
  );
}

/** Lines whose sentences are fetched together. */
function Chunk({ data, about, at, first, last, items: all }: LinesProps & { at: number }) {
  const spec = useSpec();
  const { corpus } = spec;
  const items = all.slice(at * CHUNK, (at + 1) * CHUNK);
  const lit = corpus.lit ? litOf(data, keptOf(about).at(-1)?.layer ?? 0) : null;
  const rows = items.map(({ row }) => row);
  const sentences = useSentences(spec, about.name, rows, lit);
  return (
    <>
      {items.map((hit, offset) => {
        const place = at * CHUNK + offset;
        return place < first || place > last ? null : (
          <HitLine
            key={hit.row}
            hit={hit}
            place={place}
            count={all.length}
            column={corpus.column}
            chosen={hit.row === corpus.chosen}
            sentence={sentences?.get(hit.row) ?? null}
            onChoose={() => showCorpus({ chosen: hit.row === corpus.chosen ? null : hit.row })}
          />
        );
      })}
    </>
  );
}

function Nothing() {
  const corpus = useCorpus();
  const without = Object.fromEntries(FILTERS.map((name) => [name, []]));
  const filtered = FILTERS.some((name) => corpus[name].length > 0);
  return (
    <p className="corpus-none" data-testid="corpus-none">
      No token of this corpus fits.{' '}
      {filtered ? (
        <button type="button" className="link" onClick={() => askCorpus(without)}>
          Without the filters
        </button>
      ) : null}
    </p>
  );
}

/** The first and last line that are drawn. */
function useInSight(
  scroller: React.RefObject<HTMLDivElement | null>,
  count: number,
): readonly [number, number] {
  const [sight, setSight] = useState<readonly [number, number]>([0, CHUNK - 1]);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const look = () => {
      const first = Math.max(0, Math.floor(box.scrollTop / LINE) - BEYOND);
      const last = Math.min(count - 1, first + Math.ceil(box.clientHeight / LINE) + 2 * BEYOND);
      setSight((before) => (before[0] === first && before[1] === last ? before : [first, last]));
    };
    look();
    box.addEventListener('scroll', look, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(box);
    return () => {
      box.removeEventListener('scroll', look);
      observer.disconnect();
    };
  }, [scroller, count]);
  return sight;
}

function walk(event: KeyboardEvent, items: readonly Hit[], chosen: number): void {
  if (!pressed(CORPUS_KEYS, event)) return;
  const last = items.length - 1;
  const places: Readonly<Record<string, number>> = {
    ArrowUp: Math.max(0, chosen - 1),
    ArrowDown: Math.min(last, chosen + 1),
    Home: 0,
    End: last,
  };
  const hit = items[places[event.key] ?? 0];
  if (hit) showCorpus({ chosen: hit.row });
  event.preventDefault();
}
