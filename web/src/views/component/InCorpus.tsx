/** The tokens of a corpus where the component is strongest, others beside them; asked for by a button. */
import { useState } from 'react';
import {
  useCorpora,
  useExamples,
  type CorpusExamples,
  type Measured,
} from '../../shared/api/corpora';
import { count, quantity } from '../../draw/format';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Segments } from '../../shared/parts/parts';
import { saveJson } from '../../shared/parts/save';
import { Status } from '../../shared/parts/ViewBar';
import { change, useSpec } from '../../shared/state/store';
import { formatTarget, hasVector, parseTarget } from '../../shared/text/address';
import { colour } from './ActivationText';
import { groupsOf, stretchesOf, type Example } from './examples';

export function InCorpus({ node }: { node: string }) {
  const spec = useSpec();
  const corpora = useCorpora().data?.items ?? null;
  const [asked, setAsked] = useState(false);
  const about = corpora?.find(({ name }) => name === spec.corpus.name) ?? corpora?.[0] ?? null;
  const [of, setOf] = useState<Of>('node');
  const stream = streamOf(node);
  const measured: Measured =
    of === 'along' && stream ? { target: stream, along: node } : { target: node };
  const found = useExamples(spec, asked ? about : null, measured);
  const data = found.data?.node === measured.target ? found.data : null;
  if (corpora === null) return null;
  if (!about)
    return (
      <p className="faint">
        Examples need a corpus.{' '}
        <button type="button" className="link" onClick={() => change({ view: 'corpus' })}>
          How to build one
        </button>
      </p>
    );
  return (
    <div data-testid="in-corpus">
      {stream ? (
        <Segments
          name="examples-of"
          className="component-of"
          label="What is looked for"
          value={of}
          options={[
            ['node', 'its activation', 'Where it is active'],
            ['along', 'the direction it writes', `Where ${stream} goes along its vector`],
          ]}
          onChange={setOf}
        />
      ) : null}
      <p>
        {asked ? (
          <Status kind="examples" analysis={found} timed={false} />
        ) : (
          <button type="button" data-testid="find-examples" onClick={() => setAsked(true)}>
            Look through {about.name}
          </button>
        )}{' '}
        {asked ? null : (
          <span className="faint">
            {count(about.n_tokens, 'token')} are run once more, unless its examples are kept
          </span>
        )}
      </p>
      <ErrorNote ofNode error={found.error} retry={found.retry} stale={false} />
      {data ? <Examples data={data} measured={measured} /> : null}
    </div>
  );
}

type Of = 'node' | 'along';

/** The stream behind the layer of a node that writes one direction; null of others. */
function streamOf(node: string): string | null {
  const target = parseTarget(node);
  if (!target || !hasVector(target) || !('layer' in target)) return null;
  return formatTarget({ kind: 'site', layer: target.layer, site: 'resid_post' });
}

function Examples({ data, measured }: { data: CorpusExamples; measured: Measured }) {
  const most = Math.max(Math.abs(data.most), Math.abs(data.least), 1e-9);
  return (
    <>
      <p className="faint" data-testid="examples-density">
        {measured.along ? `${data.node} along what ${measured.along} writes` : data.measured}: above{' '}
        {quantity(data.threshold)} at {(100 * data.density).toFixed(2)}% of {count(data.n, 'token')}
        , mean {quantity(data.mean)}, most {quantity(data.most)}.{' '}
        <button
          type="button"
          className="link"
          onClick={() =>
            saveJson(
              `${measured.along ? `${measured.along}-` : ''}${data.node}-${data.corpus}.json`,
              data,
            )
          }
        >
          Save as JSON
        </button>
      </p>
      {data.histogram ? <Bars found={data.histogram} /> : null}
      {data.alike.length > 0 ? <Alike nodes={data.alike} /> : null}
      {data.items.some(({ attended }) => attended != null) ? (
        <p className="faint">
          From the <span className="example-key match">framed</span> token it looks most at the{' '}
          <span className="example-key attended">underlined</span> one, special tokens left out.
        </p>
      ) : null}
      <div className="component-examples" data-testid="node-examples">
        {groupsOf(data.items).map(([title, items]) => (
          <Group key={title} title={title} items={items} most={most} />
        ))}
      </div>
    </>
  );
}

/** How often each activation is, from the least to the most, where it is active. */
function Bars({ found }: { found: NonNullable<CorpusExamples['histogram']> }) {
  const { edges, counts } = found;
  const most = Math.max(...counts, 1);
  const ends = `${quantity(edges[0] ?? 0)} to ${quantity(edges.at(-1) ?? 0)}`;
  const total = counts.reduce((sum, one) => sum + one, 0);
  return (
    <figure className="component-histogram" data-testid="histogram">
      <svg
        viewBox={`0 0 ${4 * counts.length} 40`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Histogram of activations, ${ends}`}
      >
        {counts.map((one, at) => (
          <rect key={at} x={4 * at} width={3} y={40 - (40 * one) / most} height={(40 * one) / most}>
            <title>{`${quantity(edges[at] ?? 0)} to ${quantity(edges[at + 1] ?? 0)}: ${one}`}</title>
          </rect>
        ))}
      </svg>
      <figcaption className="faint">
        {ends}, {count(total, 'token')} where it is active
      </figcaption>
    </figure>
  );
}

function Alike({ nodes }: { nodes: CorpusExamples['alike'] }) {
  return (
    <p data-testid="alike">
      <span className="faint">Active together (correlation):</span>{' '}
      {nodes.map(({ node, correlation }) => (
        <span key={node} className="component-alike">
          <button type="button" className="link mono" onClick={() => change({ node })}>
            {node}
          </button>{' '}
          <span className="number">{correlation.toFixed(2)}</span>
        </span>
      ))}
    </p>
  );
}

function Group({ title, items, most }: { title: string; items: Example[]; most: number }) {
  return (
    <>
      <h4>{title}</h4>
      {items.map((example) => (
        <Line key={example.row} example={example} most={most} />
      ))}
    </>
  );
}

function titleOf(value: number | null, attention: number | null): string | undefined {
  const said = [
    value === null ? '' : quantity(value),
    attention === null ? '' : `gets ${(100 * attention).toFixed(0)}% of the attention`,
  ].filter(Boolean);
  return said.length > 0 ? said.join(', ') : undefined;
}

function Line({ example, most }: { example: Example; most: number }) {
  return (
    <>
      <span className="number" title={String(example.value)}>
        {quantity(example.value)}
      </span>
      <bdi>
        {stretchesOf(example).map(({ text, value, match, attended }, at) => (
          <span
            key={at}
            className={[match ? 'match' : '', attended ? 'attended' : ''].join(' ').trim()}
            title={titleOf(value, attended ? (example.attention ?? null) : null)}
            style={value === null ? undefined : { backgroundColor: colour(value / most) }}
          >
            {text}
          </span>
        ))}
      </bdi>
      <span className="faint">{example.tokens[example.position]?.pos ?? ''}</span>
    </>
  );
}
