/** What was traced, one step after the other: any of them can be gone back to; and through what. */
import type { Schemas } from '../../shared/api/client';
import { figures, signed } from '../../draw/format';
import { useModel } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { setAttribution, useAttributionSpec } from './attributionState';
import { stepOf, waysInto, type Through } from './trail';

const WAYS: Readonly<Record<Through, readonly [name: string, about: string]>> = {
  qk: ['query and key', 'Its score, before the softmax'],
  q: ['query', 'Its score, the key as it is'],
  k: ['key', 'Its score, the query as it is'],
  v: ['value', 'What its value brings to what was traced before it'],
  gate: ['gate', 'What goes through its activation function'],
  pre: ['input', 'What is multiplied with the gate, or goes through the activation function'],
};

interface Props {
  /** Of the newest answer. */
  trace: Schemas['Trace'] | null;
}

export function TraceTrail({ trace }: Props) {
  const { trace: steps } = useAttributionSpec();
  const last = stepOf(steps.at(-1) ?? '');
  const answered = trace?.node === last.node ? trace.through : null;
  const labelled = useModel().data?.labels_of != null;
  const ofLabel = labelled && steps.length === 1;
  const ways = waysInto(last.node, last.through === 'pre' ? 'gate' : answered, ofLabel);
  const chosen = last.through ?? answered ?? ways[0];
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
      {ways.length > 1 && chosen ? (
        <Segments
          name="through"
          label="Through what it is traced"
          value={chosen}
          options={ways.map((way) => [way, ...WAYS[way]] as const)}
          onChange={(way: Through) =>
            setAttribution({ trace: [...steps.slice(0, -1), `${last.node}:${way}`], open: null })
          }
        />
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
  const { node, through } = stepOf(step);
  const way = through && !last ? <span className="faint"> {WAYS[through][0]}</span> : null;
  return (
    <li>
      {last ? (
        <span className="mono" aria-current="step">
          {node}
        </span>
      ) : (
        <button
          type="button"
          className="link mono"
          data-testid={`trail-${at}`}
          title="Back to what is upstream of it"
          onClick={() => setAttribution({ trace: trace.slice(0, at + 1), open: null })}
        >
          {node}
        </button>
      )}
      {way}
    </li>
  );
}

/** What is traced, and what the direct effects of all nodes upstream of it add up to. */
export function TraceReadout({ trace, listed }: { trace: Schemas['Trace']; listed: number }) {
  return (
    <div className="attribution-readout" data-testid="trace-readout">
      <p>
        <strong>
          {trace.words} = {figures(trace.value)}
        </strong>
        {trace.objective === null ? null : (
          <span className="faint"> towards {trace.objective}</span>
        )}
        <span className="faint">
          {' '}
          · {listed.toLocaleString('en')} nodes upstream listed · {trace.cost}
        </span>
      </p>
      {[...new Set(trace.parts.flatMap(({ warnings }) => warnings))].map((warning) => (
        <p key={warning} className="problem" role="alert">
          {warning}
        </p>
      ))}
      {trace.parts.map((part) => (
        <Sums key={part.objective} part={part} />
      ))}
      {trace.parts[0]?.notes.map((note) => (
        <p key={note} className="faint">
          {note}
        </p>
      ))}
    </div>
  );
}

function Sums({ part }: { part: Schemas['Attribution'] }) {
  const { completeness: sums } = part;
  if (!sums) return null;
  return (
    <p data-testid="trace-sums">
      Direct effects on the {part.objective} add up: nodes {signed(sums.nodes, 3)}, biases{' '}
      {signed(sums.head + sums.norms + sums.beyond, 3)}, left over{' '}
      <span title={String(sums.rest)}>{figures(sums.rest)}</span>
    </p>
  );
}
