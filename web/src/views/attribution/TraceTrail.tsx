/** What was traced, one step after the other: any of them can be gone back to; and through what. */
import type { Schemas } from '../../shared/api/client';
import { useModel } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { setAttribution, useAttributionSpec } from './attributionState';
import {
  carriesOn,
  isTraceable,
  stepOf,
  stepWritten,
  waysInto,
  type Step,
  type Through,
} from './trail';

const WAYS: Readonly<Record<Through, readonly [name: string, about: string]>> = {
  qk: ['query and key', 'Its score, before the softmax'],
  q: ['query', 'Its score, the key as it is'],
  k: ['key', 'Its score, the query as it is'],
  v: ['value', 'What its value brings to what was traced before it'],
  gate: ['gate', 'What goes through its activation function'],
  pre: ['input', 'What is multiplied with the gate, or goes through the activation function'],
};

const DIRECTIONS = [
  ['up', 'Upstream', 'What made it: every node before it'],
  ['down', 'Downstream', 'What it does to all that reads what it writes'],
] as const;
/** Of a pair downstream. */
const FOLLOWED = [
  ['all', 'all it writes', 'Everything that it writes'],
  ['v', 'its value', 'What its value carries of what was traced before it'],
] as const;

interface Props {
  /** Of the newest answer. */
  trace: Schemas['Trace'] | null;
}

export function TraceTrail({ trace }: Props) {
  const { trace: steps, measured } = useAttributionSpec();
  const last = stepOf(steps.at(-1) ?? '');
  const answered = trace?.node === last.node ? trace.through : null;
  const labelled = useModel().data?.labels_of != null;
  const ofLabel = labelled && steps.length === 1 && !last.down;
  const ways = last.down
    ? []
    : waysInto(last.node, last.through === 'pre' ? 'gate' : (answered ?? null), ofLabel);
  const chosen = last.through ?? answered ?? ways[0];
  const set = (step: Step) =>
    setAttribution({ trace: [...steps.slice(0, -1), stepWritten(step)], open: null });
  return (
    <div className="trace-trail" data-testid="trace-trail">
      <nav aria-label="Trail of what was traced">
        <ol>
          <li>
            <button
              type="button"
              className="link"
              data-testid="trail-answer"
              title="What every node does to the answer"
              onClick={() => setAttribution({ trace: [], open: null })}
            >
              the answer
            </button>
          </li>
          {steps.map((step, at) => (
            <Crumb key={`${at}-${step}`} step={step} at={at} last={at === steps.length - 1} />
          ))}
        </ol>
      </nav>
      {isTraceable({ id: last.node, other: null }) ? (
        <Segments
          name="direction"
          label="Which way it is traced"
          value={last.down ? 'down' : 'up'}
          options={DIRECTIONS}
          onChange={(way: 'up' | 'down') =>
            set({ node: last.node, through: null, down: way === 'down' })
          }
        />
      ) : (
        <span className="faint">downstream</span>
      )}
      {ways.length > 1 && chosen ? (
        <Segments
          name="through"
          label="Through what it is traced"
          value={chosen}
          options={ways.map((way) => [way, ...WAYS[way]] as const)}
          onChange={(way: Through) => set({ ...last, through: way })}
        />
      ) : null}
      {last.down && carriesOn(steps) ? (
        <Segments
          name="followed"
          label="What of it is followed"
          value={last.through === 'v' ? 'v' : 'all'}
          options={FOLLOWED}
          onChange={(way: 'all' | 'v') => set({ ...last, through: way === 'v' ? 'v' : null })}
        />
      ) : null}
      {last.down ? (
        <label
          className="trace-measured"
          title="What readers lose in one run without the node, too"
        >
          <input
            type="checkbox"
            data-testid="trace-measured"
            checked={measured}
            onChange={(event) => setAttribution({ measured: event.target.checked })}
          />{' '}
          measured
        </label>
      ) : null}
      {ofLabel && last.node.includes('<') ? (
        <span className="faint" data-testid="no-value">
          not through its value: what that brings to a label is no sum of direct effects
        </span>
      ) : null}
    </div>
  );
}

function Crumb({ step, at, last }: { step: string; at: number; last: boolean }) {
  const { trace } = useAttributionSpec();
  const { node, through, down } = stepOf(step);
  const way = through && !last ? <span className="faint"> {WAYS[through][0]}</span> : null;
  return (
    <li className={down ? 'down' : undefined}>
      {last ? (
        <span className="mono" aria-current="step">
          {node}
        </span>
      ) : (
        <button
          type="button"
          className="link mono"
          data-testid={`trail-${at}`}
          title={`Back to what is ${down ? 'down' : 'up'}stream of it`}
          onClick={() => setAttribution({ trace: trace.slice(0, at + 1), open: null })}
        >
          {node}
        </button>
      )}
      {way}
    </li>
  );
}
