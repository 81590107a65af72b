/** Clusters: groups of value vectors that point the same way, and what is inside one. */
import { useState } from 'react';
import { useCluster, useClusters, type IndexStatus } from '../../shared/api/explore';
import type { Schemas } from '../../shared/api/client';
import type { ModelInfo } from '../../shared/api/queries';
import { Icon, Segments } from '../../shared/parts/parts';
import { PAGE, type Clustering } from '../../shared/text/explore';
import { clusterSeconds, linkageBytes } from '../../shared/text/exploreQuestions';
import { bytes, count, duration } from '../../draw/format';
import { ask, useExplore } from '../../shared/state/exploring';
import { change, useSpec } from '../../shared/state/store';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { HitList } from '../../shared/parts/HitList';
import { TokenChip } from '../../shared/parts/HitRow';
import { Status } from '../../shared/parts/ViewBar';
import { WordCloud } from '../../shared/parts/WordCloud';

interface Props {
  model: ModelInfo;
  status: IndexStatus;
}

export function ExploreClusters({ model, status }: Props) {
  const { clustering, cluster } = useExplore();
  if (clustering === null) return <ChooseClusters model={model} status={status} />;
  return cluster === null ? (
    <ClusterList clustering={clustering} />
  ) : (
    <ClusterPage clustering={clustering} cluster={cluster} model={model} />
  );
}

// ------------------------------------------------------------------ before they are computed

function ChooseClusters({ model, status }: Props) {
  const { projection } = useExplore();
  const vectors = status[projection]?.n_vectors ?? 0;
  const usual = Math.max(2, Math.round(vectors / 30));
  const [method, setMethod] = useState<Clustering['method']>('kmeans');
  const [typed, setTyped] = useState('');
  const n = typed === '' ? null : Number(typed);
  const good = n === null || (Number.isInteger(n) && n >= 1 && n <= vectors);
  return (
    <section className="welcome explore-clusters" data-testid="choose-clusters">
      <h2>Which neurons say the same?</h2>
      <p>
        Vectors are grouped by direction; a group is named by what its members promote together.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (good) ask({ clustering: { method, n, seed: 0 }, cluster: null });
        }}
      >
        <Segments
          name="method"
          label="Method"
          value={method}
          options={[
            ['kmeans', 'k-means', 'Spherical k-means: fast, for any number of vectors'],
            [
              'complete',
              'complete linkage',
              'Exact agglomerative clusters, as LM-Debugger has them',
            ],
          ]}
          onChange={setMethod}
        />
        <label htmlFor="cluster-number">into</label>
        <input
          id="cluster-number"
          className="mono explore-number"
          inputMode="numeric"
          placeholder={String(usual)}
          aria-invalid={!good}
          value={typed}
          onChange={(event) => setTyped(event.target.value.trim())}
        />
        <span className="faint">clusters</span>
        <button type="submit" className="primary" data-testid="find-clusters" disabled={!good}>
          Find clusters
        </button>
      </form>
      <p className="faint" data-testid="cluster-cost">
        {method === 'kmeans'
          ? `${vectors.toLocaleString('en')} vectors${
              status.estimate
                ? `, about ${duration(clusterSeconds(status.estimate.seconds, model.vocab_size, n ?? usual))}`
                : ''
            }; kept afterwards.`
          : `Every pair of ${vectors.toLocaleString('en')} vectors is compared: about ${bytes(linkageBytes(vectors))} of memory, and minutes. Refused where that does not fit.`}
      </p>
    </section>
  );
}

// ------------------------------------------------------------------ all of them

function ClusterList({ clustering }: { clustering: Clustering }) {
  const { projection, offset } = useExplore();
  const analysis = useClusters(useSpec(), clustering, projection, offset);
  const { data } = analysis;
  return (
    <>
      <div className="explore-form">
        <div className="explore-line">
          <span>
            {data ? count(data.total, 'cluster') : 'Clusters'}{' '}
            <span className="faint">
              {clustering.method === 'kmeans' ? 'spherical k-means' : 'complete linkage'}, largest
              first
            </span>
          </span>
          <button type="button" className="link" onClick={() => ask({ clustering: null })}>
            Choose others
          </button>
          <span className="spring" />
          <Status kind="clusters" analysis={analysis} />
        </div>
      </div>
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={data !== null} />
      {data ? (
        <div className={`hits ${analysis.current ? '' : 'stale'}`}>
          <ol className="cluster-list" data-testid="clusters">
            {data.items.map((item) => (
              <ClusterRow key={item.cluster} item={item} />
            ))}
          </ol>
          <ClusterPager offset={offset} shown={data.items.length} total={data.total} />
        </div>
      ) : null}
    </>
  );
}

function ClusterRow({ item }: { item: Schemas['ClusterSummary'] }) {
  return (
    <li className="cluster" data-testid={`cluster-${item.cluster}`}>
      <button
        type="button"
        className="link mono"
        onClick={() => ask({ cluster: item.cluster, draw: 0 })}
        aria-label={`Open cluster ${item.cluster}`}
      >
        #{item.cluster}
      </button>
      <span className="number">{count(item.size, 'vector')}</span>
      <p className="chips">
        {item.tokens.slice(0, 14).map((scored) => (
          <TokenChip key={scored.token.id} item={scored} />
        ))}
      </p>
      <span className="cluster-central">
        {item.central.slice(0, 3).map((node) => (
          <button
            key={node}
            type="button"
            className="link mono"
            onClick={() => change({ node })}
            title="Nearest to the middle"
          >
            {node}
          </button>
        ))}
      </span>
    </li>
  );
}

function ClusterPager({ offset, shown, total }: { offset: number; shown: number; total: number }) {
  return (
    <nav className="pager" aria-label="Pages">
      <button
        type="button"
        className="icon-button"
        aria-label="Previous page"
        disabled={offset === 0}
        onClick={() => ask({ offset: Math.max(0, offset - PAGE) })}
      >
        <Icon name="back" />
      </button>
      <span className="number">
        {offset + 1}–{offset + shown} <span className="faint">of {total.toLocaleString('en')}</span>
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label="Next page"
        disabled={offset + shown >= total}
        onClick={() => ask({ offset: offset + PAGE })}
      >
        <Icon name="forward" />
      </button>
    </nav>
  );
}

// ------------------------------------------------------------------ one

interface PageProps {
  clustering: Clustering;
  cluster: number;
  model: ModelInfo;
}

function ClusterPage({ clustering, cluster, model }: PageProps) {
  const { projection, draw } = useExplore();
  const analysis = useCluster(useSpec(), clustering, projection, cluster, draw);
  const { data } = analysis;
  return (
    <>
      <div className="explore-form">
        <div className="explore-line">
          <button
            type="button"
            className="link"
            data-testid="all-clusters"
            onClick={() => ask({ cluster: null })}
          >
            All clusters
          </button>
          <h2>
            Cluster <span className="mono">#{cluster}</span>{' '}
            {data ? <span className="faint">{count(data.size, 'vector')}</span> : null}
          </h2>
          <span className="spring" />
          <Status kind="cluster" analysis={analysis} />
        </div>
      </div>
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={data !== null} />
      {data ? (
        <div className={`hits ${analysis.current ? '' : 'stale'}`} data-testid="cluster">
          <h3>What its members promote together</h3>
          <WordCloud tokens={data.tokens} label={`Tokens of cluster ${cluster}`} height={180} />
          <h3>Nearest to its middle</h3>
          <HitList hits={data.central} model={model} unit="cosine" />
          <h3>
            Drawn at random{' '}
            <button
              type="button"
              className="link"
              data-testid="draw"
              onClick={() => ask({ draw: draw + 1 }, 'replace')}
            >
              draw others
            </button>
          </h3>
          <HitList hits={data.random} model={model} unit="cosine" />
        </div>
      ) : null}
    </>
  );
}
