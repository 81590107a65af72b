/** The index: what there is of it, what building it costs, how far it is. */
import {
  useBuild,
  useBuildProgress,
  type IndexStatus,
  type Projection,
} from '../../shared/api/explore';
import type { ModelInfo } from '../../shared/api/queries';
import { Icon, Segments } from '../../shared/parts/parts';
import { PopOver } from '../../shared/parts/PopOver';
import { bytes, count, duration } from '../../draw/format';
import { neuronName } from '../../shared/text/explore';
import { ask, useExplore } from '../../shared/state/exploring';
import { change, useSpec } from '../../shared/state/store';
import { useState } from 'react';
import { ErrorNote } from '../../shared/parts/ErrorNote';

const PROJECTIONS: ReadonlyArray<readonly [Projection, string, string]> = [
  ['raw', 'raw', 'W_U · v, as LM-Debugger has it'],
  ['final_norm', 'final norm', 'Through the weight of the final norm first: W_U · (γ ∘ v)'],
];

/** Which index answers, in the bar: its projection, its size, building it anew. */
export function IndexMenu({ status, model }: { status: IndexStatus; model: ModelInfo | null }) {
  const explore = useExplore();
  const about = status[explore.projection];
  return (
    <PopOver
      className="index-menu"
      label="The index"
      align="start"
      button={{
        className: 'quiet',
        'data-testid': 'index-menu',
        title: about
          ? `The index that is asked: ${count(about.n_vectors, 'vector')}`
          : 'No index yet',
        children: (
          <>
            {PROJECTIONS.find(([name]) => name === explore.projection)?.[1]}{' '}
            <span className="faint">
              {about ? about.n_vectors.toLocaleString('en') : 'no index'}
            </span>
            <Icon name="down" />
          </>
        ),
      }}
    >
      <h3>How vectors are read</h3>
      <Segments
        name="projection"
        label="Projection"
        value={explore.projection}
        options={PROJECTIONS}
        onChange={(projection: Projection) => ask({ projection, clustering: null })}
      />
      <p className="faint">
        {explore.projection === 'raw'
          ? 'The unembedding times the vector itself: what LM-Debugger shows.'
          : 'The vector goes through the final norm’s weight first, as it does in the model; the norm’s scale differs from run to run and is left out.'}
      </p>
      {about ? <AboutIndex about={about} model={model} status={status} /> : null}
    </PopOver>
  );
}

function AboutIndex({
  about,
  model,
  status,
}: {
  about: NonNullable<IndexStatus['raw']>;
  model: ModelInfo | null;
  status: IndexStatus;
}) {
  const build = useBuild(useSpec(), about.projection, status);
  const facts: Array<[string, string]> = [
    ['Model', about.model],
    ['Weights', about.fingerprint.slice(0, 16)],
    ['Vectors', `${about.n_vectors.toLocaleString('en')}, ${about.d} wide`],
    ['Tokens kept', `${about.top_k} at either end`],
    ['On disk', bytes(about.bytes)],
    ['Made', about.made.replace('T', ' ').slice(0, 16)],
  ];
  return (
    <>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd className="mono">{value}</dd>
          </div>
        ))}
      </dl>
      <button
        type="button"
        className="link"
        disabled={build.running || !model}
        onClick={() => build.start(true)}
      >
        Build it anew
      </button>{' '}
      <span className="faint">
        {status.estimate ? `about ${duration(status.estimate.seconds)}` : null}
      </span>
      {build.running ? <Progress cancel={build.cancel} /> : null}
      <ErrorNote error={build.error} retry={() => build.start(true)} stale={false} />
    </>
  );
}

// ------------------------------------------------------------------ no index yet

export function NoIndex({ status, model }: { status: IndexStatus; model: ModelInfo | null }) {
  const { projection } = useExplore();
  const build = useBuild(useSpec(), projection, status);
  const left = status.building?.projection === projection ? status.building : null;
  if (status.reason !== null) return <Impossible reason={status.reason} />;
  return (
    <section className="welcome no-index" data-testid="no-index">
      <h2>What is every neuron about?</h2>
      <p>
        A feed-forward neuron adds its value vector to the residual stream whenever it fires. The
        index holds what each of these vectors promotes and suppresses, so that they can be searched
        by words, by token, by direction, and grouped.
      </p>
      {status.problem ? (
        <p className="notice" role="status" data-testid="index-problem">
          {status.problem}
        </p>
      ) : null}
      <Cost status={status} />
      {build.running ? (
        <Progress cancel={build.cancel} />
      ) : (
        <p className="no-index-actions">
          <button
            type="button"
            className="primary"
            data-testid="build-index"
            onClick={() => build.start(Boolean(status.problem))}
          >
            {left && left.done > 0 ? 'Go on building' : 'Build the index'}
          </button>
          {left && left.done > 0 ? (
            <>
              <span className="faint">
                {left.done.toLocaleString('en')} of {left.total.toLocaleString('en')} vectors are
                done and kept.
              </span>
              <button type="button" className="link" onClick={() => build.start(true)}>
                Start anew
              </button>
            </>
          ) : (
            <OtherProjection status={status} />
          )}
        </p>
      )}
      <ErrorNote
        error={build.error}
        retry={() => build.start(Boolean(status.problem))}
        stale={false}
      />
      <OpenNeuron model={model} />
    </section>
  );
}

function Impossible({ reason }: { reason: string }) {
  return (
    <section className="no-lens" data-testid="no-index">
      <h2>The neurons of this model cannot be indexed</h2>
      <p>{reason}</p>
      <p className="faint">Heads and whole layers can still be looked at, on a prompt.</p>
    </section>
  );
}

function Cost({ status }: { status: IndexStatus }) {
  const { estimate } = status;
  if (!estimate) return null;
  return (
    <p className="no-index-cost" data-testid="index-cost">
      <span className="number">{estimate.vectors.toLocaleString('en')}</span> vectors · about{' '}
      <span className="number">{duration(estimate.seconds)}</span> · about{' '}
      <span className="number">{bytes(estimate.bytes)}</span> on disk, once for this model
    </p>
  );
}

function OtherProjection({ status }: { status: IndexStatus }) {
  const { projection } = useExplore();
  const other: Projection = projection === 'raw' ? 'final_norm' : 'raw';
  if (!status[other]) return null;
  return (
    <button type="button" className="link" onClick={() => ask({ projection: other })}>
      Use the one that is there ({other === 'raw' ? 'raw' : 'final norm'})
    </button>
  );
}

function Progress({ cancel }: { cancel: () => void }) {
  const event = useBuildProgress();
  const known = event !== null && event.total > 0 && event.state === 'running';
  const seconds = event?.seconds_left ?? null;
  return (
    <div className="build-progress" data-testid="build-progress" role="status">
      <progress
        aria-label="Building the index"
        className="status-line"
        {...(known ? { value: event.done, max: event.total } : {})}
      />
      <span>
        {known
          ? `${event.stage}, ${event.done.toLocaleString('en')} of ${event.total.toLocaleString('en')}`
          : 'starting'}
        {seconds === null ? '' : ` · ${duration(seconds)} left`}
      </span>
      <button type="button" className="link" data-testid="cancel-build" onClick={cancel}>
        Cancel
      </button>
      <p className="faint">
        Other questions are answered in between. What is done is kept, and built upon the next time.
      </p>
    </div>
  );
}

/** A single neuron needs no index. */
function OpenNeuron({ model }: { model: ModelInfo | null }) {
  const [text, setText] = useState('');
  const node = neuronName(text);
  return (
    <form
      className="open-neuron"
      onSubmit={(event) => {
        event.preventDefault();
        if (node) change({ view: 'component', node });
      }}
    >
      <label htmlFor="open-neuron">A single neuron needs no index:</label>
      <input
        id="open-neuron"
        className="mono"
        placeholder={model ? `L${Math.floor(model.n_layers / 2)}.N512` : 'L12.N512'}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" disabled={!node}>
        Open its page
      </button>
    </form>
  );
}
