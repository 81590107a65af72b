/** What is traced, and what adds up; downstream what it does to the answer, and what is not listed. */
import type { Schemas } from '../../shared/api/client';
import { figures, signed } from '../../draw/format';

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

type LeftOut = Schemas['UnlistedReaders'];

/** Downstream: what is written, what that does to the answer, and how much of what reads it is listed. */
export function ReadersReadout({ trace, listed }: { trace: Schemas['Trace']; listed: number }) {
  return (
    <div className="attribution-readout" data-testid="readers-readout">
      <p>
        <strong>
          {capital(trace.words)}: norm {figures(trace.value)}
        </strong>
        <span className="faint">
          {' '}
          · {listed.toLocaleString('en')} readers listed, each kind by itself, largest first ·{' '}
          {trace.cost}
        </span>
      </p>
      {trace.direct == null ? null : (
        <p data-testid="on-answer">
          Direct effect on {trace.objective}: {signed(trace.direct, 3)}
          {trace.measured == null
            ? null
            : `, and ${signed(trace.measured, 3)} is lost in a run without it`}
        </p>
      )}
      {trace.left_out.length === 0 ? null : (
        <p className="faint" data-testid="left-out">
          Not listed: {trace.left_out.map(leftWords).join('; ')}.
        </p>
      )}
      {trace.notes.map((note) => (
        <p key={note} className="faint">
          {note}
        </p>
      ))}
    </div>
  );
}

const READERS: Readonly<Record<LeftOut['reads'], string>> = {
  score: 'scores',
  value: 'values',
  neuron: 'neurons',
  latent: 'latents',
};
const BY: Readonly<Record<LeftOut['through'], string>> = {
  q: ' by query',
  k: ' by key',
  v: '',
  gate: ' by gate',
  pre: ' by input',
};

function leftWords({ reads, through, n, largest }: LeftOut): string {
  return `${n.toLocaleString('en')} ${READERS[reads]}${BY[through]}, none above ${figures(largest)}`;
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
