/** What the edits do to the prompt, while one looks for more of them. */
import { isAsked, saidOf } from '../text/chat';
import { GENERATION } from '../text/url';
import { useNextTokens } from '../api/queries';
import { SideMark, Token } from './parts';
import { nats, probability, rank } from '../../draw/format';
import type { Predictions, Reading } from '../text/predictions';
import { change, useSpec } from '../state/store';
import Continuation from './Continuation';
import { ErrorNote } from './ErrorNote';
import { Status } from './ViewBar';

export function EditsEffect({ position }: { position: number | null }) {
  const spec = useSpec();
  const { edits } = spec;
  if (!isAsked(spec) || position === null || !edits.some((made) => made.enabled)) return null;
  return <Effect position={position} />;
}

function Effect({ position }: { position: number }) {
  const spec = useSpec();
  const analysis = useNextTokens(spec, position);
  const { data } = analysis;
  return (
    <section className="explore-effect" aria-label="What the edits do" data-testid="effect">
      <header>
        <h2>With the edits</h2>
        <span className="faint effect-prompt" title={saidOf(spec)}>
          next token after <bdi>{saidOf(spec)}</bdi>
        </span>
        <span className="spring" />
        <Status kind="predictions" analysis={analysis} timed={false} />
        {spec.generation ? null : (
          <button
            type="button"
            data-testid="effect-continue"
            onClick={() => change({ generation: GENERATION })}
          >
            Continue the prompt
          </button>
        )}
        <button type="button" className="link" onClick={() => change({ view: 'predictions' })}>
          All of it
        </button>
      </header>
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={data !== null} />
      {data?.edited ? (
        <div className={`effect-sides ${analysis.current ? '' : 'stale'}`}>
          <Side side="baseline" reading={data.baseline.next_token} data={data} />
          <Side side="edited" reading={data.edited.next_token} data={data} />
          {data.kl === null || data.kl === undefined ? null : (
            <p className="effect-kl" title="KL(baseline ‖ edited)">
              <span className="faint">KL</span>{' '}
              <span className="number" data-testid="effect-kl">
                {nats(data.kl)}
              </span>{' '}
              <span className="faint">nats</span>
            </p>
          )}
        </div>
      ) : null}
      {spec.generation ? <Continuation generation={spec.generation} /> : null}
    </section>
  );
}

function Side({
  side,
  reading,
  data,
}: {
  side: 'baseline' | 'edited';
  reading: Reading;
  data: Predictions;
}) {
  return (
    <p className="effect-side" data-testid={`effect-${side}`}>
      <SideMark side={side} />
      {reading.target && data.target ? (
        <span className="effect-token target">
          <bdi className="token">{data.target.label}</bdi>{' '}
          <span className="number">{probability(reading.target.probability)}</span>{' '}
          <span className="number faint">{rank(reading.target.rank)}</span>
        </span>
      ) : null}
      {reading.top.slice(0, 6).map(({ token, probability: share }) => (
        <span key={token.id} className="effect-token">
          <Token token={token} /> <span className="number">{probability(share)}</span>
        </span>
      ))}
    </p>
  );
}
