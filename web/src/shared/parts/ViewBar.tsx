/** Views to the left, what concerns this one in the middle, the state of its work to the right. */
import type { ReactNode } from 'react';
import type { Analysis } from '../api/queries';
import { useJobs, type JobEvent, type JobKind } from '../api/jobs';
import { Segments } from './parts';
import type { Timing } from '../api/client';
import { duration, quantity } from '../../draw/format';
import type { Spec } from '../text/url';
import { change, useSpec, useStore } from '../state/store';
import { useViews } from '../view';

const MODES = [
  ['difference', 'Both', 'Baseline beside edited, differences marked'],
  ['baseline', 'Baseline', 'The model as it is (hold Space)'],
  ['edited', 'Edited', 'With the edits applied'],
] as const;

export function ViewBar({ children, status }: { children?: ReactNode; status?: ReactNode }) {
  const spec = useSpec();
  const { views, view } = useViews();
  return (
    <div className="view-bar">
      <nav aria-label="Views">
        {views
          .filter(({ id, ofNode, apart }) => !ofNode && (!apart || id === view.id))
          .map(({ id, label }) => (
            <button
              key={id}
              type="button"
              data-testid={`tab-${id}`}
              aria-current={view.id === id ? 'page' : undefined}
              onClick={() => change({ view: id })}
            >
              {label}
            </button>
          ))}
        {view.ofNode && spec.node !== null ? (
          <button type="button" data-testid={`tab-${view.id}`} aria-current="page">
            <span className="mono">{spec.node}</span>
          </button>
        ) : null}
      </nav>
      {children}
      <span className="spring" />
      {status}
    </div>
  );
}

interface ModeProps {
  difference: string;
  /** Of two prompts, in place of the runs without and with edits. */
  prompts?: readonly [own: string, other: string] | null;
}

/** Which side is shown; only where an edit is on, or there are two prompts. */
export function ModeChoice({ difference, prompts = null }: ModeProps) {
  const { edits, mode } = useSpec();
  const holding = useStore((state) => state.holding);
  if (!prompts && !edits.some((made) => made.enabled)) return null;
  return (
    <Segments
      name="mode"
      label="Side"
      value={holding ? 'baseline' : mode}
      options={modesOf(difference, prompts)}
      onChange={(value: Spec['mode']) => change({ mode: value })}
    />
  );
}

function modesOf(difference: string, prompts: ModeProps['prompts']) {
  if (!prompts)
    return MODES.map(
      ([value, label, title]) =>
        [value, value === 'difference' ? difference : label, title] as const,
    );
  const [own, other] = prompts;
  return [
    ['difference', difference, 'Both prompts'],
    ['baseline', own, 'The prompt above (hold Space)'],
    ['edited', other, 'The other prompt'],
  ] as const;
}

interface StatusProps {
  kind: JobKind;
  analysis: Analysis<unknown>;
  /** What must come before the work itself, the tokens, is not there yet. */
  waiting?: boolean;
  /** Says what finished work took. */
  timed?: boolean;
}

/** Nothing for 100 ms, a line until a second, then stage, share, time left and Cancel. */
export function Status({ kind, analysis, waiting = false, timed = true }: StatusProps) {
  const event = useJobs((state) => state[kind]?.event ?? null);
  if (analysis.cancelled && !waiting) {
    return (
      <span className="status" data-testid="status">
        Cancelled.{' '}
        <button type="button" className="link" data-testid="retry" onClick={analysis.retry}>
          Run again
        </button>
      </span>
    );
  }
  if (!analysis.busy && !waiting) {
    return (
      <span
        className="status faint"
        data-testid="status"
        title="Time that the server computed; cached: it had run the model on this before"
      >
        {timed && analysis.current && analysis.timing ? took(analysis.timing) : null}
      </span>
    );
  }
  return (
    <span className="status busy" data-testid="status" data-busy="true">
      <progress
        aria-label="Progress"
        className="status-line"
        {...(event && event.total > 0 && event.state === 'running'
          ? { value: event.done, max: event.total }
          : {})}
      />
      <span className="status-text" title={event ? describe(event) : undefined}>
        {event ? describe(event) : 'computing'}
      </span>
      <button type="button" className="link" data-testid="cancel" onClick={analysis.cancel}>
        Cancel
      </button>
    </span>
  );
}

function took({ seconds, cached }: Timing): string {
  return seconds === null ? '' : `${spent(seconds)}${cached ? ' · cached' : ''}`;
}

function spent(seconds: number): string {
  return seconds < 0.0995
    ? `${Math.max(1, Math.round(seconds * 1000))} ms`
    : `${quantity(seconds)} s`;
}

function describe(event: JobEvent): string {
  if (event.state === 'queued') return event.ahead ? `waiting, ${event.ahead} ahead` : 'waiting';
  const share = event.total > 1 ? ` ${event.done}/${event.total}` : '';
  const left =
    event.seconds_left === null || event.seconds_left === undefined
      ? ''
      : ` · ${duration(event.seconds_left)} left`;
  return `${event.stage}${share}${left}`;
}
