/** The training that runs, whoever began it: how far it is, what was measured, and its end. */
import { useEffect } from 'react';
import { count, duration } from '../../draw/format';
import { useJobs, watchJob } from '../../shared/api/jobs';
import { Curves } from './Curves';
import type { Underway } from './request';
import { stopJob } from './training';

export function InTraining({ now }: { now: Underway }) {
  const { job, name, site, n_wanted: tokens, history } = now;
  useEffect(() => watchJob('sae_train', job), [job]);
  const event = useJobs((state) => state.sae_train?.event ?? null);
  const known = event !== null && event.total > 0 && event.state === 'running';
  const seconds = event?.seconds_left ?? null;
  return (
    <section data-testid="in-training">
      <h2>
        In training: <span className="mono">{name}</span> <span className="faint mono">{site}</span>
      </h2>
      <div className="build-progress" role="status" data-testid="training-progress">
        <progress
          aria-label="Training"
          className="status-line"
          {...(known ? { value: event.done, max: event.total } : {})}
        />
        <span>
          {known
            ? `${count(event.done, 'token')} of ${tokens.toLocaleString('en')}, ${rateOf(event.stage)}`
            : 'starting'}
          {seconds === null ? '' : ` · ${duration(seconds)} left`}
        </span>
        <button
          type="button"
          className="link"
          data-testid="cancel-training"
          onClick={() => stopJob(job)}
        >
          Stop
        </button>
        <p className="faint">
          Other questions are answered in between, and this page may be closed. Stopped, it keeps a
          checkpoint and goes on from there.
        </p>
      </div>
      {history.length > 0 ? (
        <Curves name={name} history={history} total={tokens} />
      ) : (
        <p className="faint">The first measures come with the first checkpoint.</p>
      )}
    </section>
  );
}

/** What the server says up to its own words of the time that is left. */
function rateOf(stage: string): string {
  return stage.split(/[,;] /)[0] ?? stage;
}
