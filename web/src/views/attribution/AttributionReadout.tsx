/** What is explained, what the direct effects add up to, how far the estimates can be trusted. */
import { count, figures, percent, signed } from '../../draw/format';
import { useModel } from '../../shared/api/queries';
import { Token } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import { setAttribution, useAttributionSpec } from './attributionState';
import type { Comparison } from './query';
import { Scatter } from './Scatter';
import { sideOf, type Shown } from './rows';

interface Props {
  answer: Comparison;
  shown: Shown;
  /** After the filters of the page. */
  listed: number;
}

export function AttributionReadout({ answer, shown, listed }: Props) {
  const { grouping, beside } = useAttributionSpec();
  const { edits } = useSpec();
  const labels_of = useModel().data?.labels_of;
  const two = beside !== '';
  const side = sideOf(answer, shown);
  const here = side.tokens[side.position];
  return (
    <div className="attribution-readout" data-testid="attribution-readout">
      <p>
        <strong>
          {side.objective} = {figures(side.value)}
        </strong>
        {shown === 'difference' ? (
          <>
            <span className="faint"> {two ? 'in the other prompt' : 'edited'}, </span>
            <strong>{figures(answer.baseline.value)}</strong>
            <span className="faint"> {two ? 'in this one' : 'baseline'},</span>
          </>
        ) : null}{' '}
        <span className="faint">
          {labels_of === 'text' ? 'of the text as a whole, read at' : 'at'} position {side.position}
        </span>{' '}
        {here ? <Token token={here} /> : null}
        <span className="faint"> · </span>
        {count(side.n_nodes, 'node')}
        {grouping === 'nodes' ? `, ${listed.toLocaleString('en')} listed` : null}
        <span className="faint"> · {side.cost}</span>
      </p>
      {two && edits.some((made) => made.enabled) ? (
        <p className="faint">Edits are no part of it: the two prompts run as they are.</p>
      ) : null}
      {side.warnings.map((warning) => (
        <p key={warning} className="problem" role="alert" data-testid="attribution-warning">
          {warning}
        </p>
      ))}
      <Completeness side={side} />
      <Verified side={side} />
      <Bounded side={side} />
      {side.notes.map((note) => (
        <p key={note} className="faint">
          {note}
        </p>
      ))}
    </div>
  );
}

type Side = Comparison['baseline'];

function Completeness({ side }: { side: Side }) {
  const { completeness: sums } = side;
  if (!sums)
    return (
      <p className="faint" data-testid="completeness">
        Nothing has a direct effect on it: it is no sum of what the stream holds.
      </p>
    );
  const parts = [
    ['nodes', sums.nodes],
    ['biases of the head', sums.head],
    ['biases of norms', sums.norms],
    ['not linear', sums.beyond],
  ] as const;
  const said = parts.filter(([name, value]) => name === 'nodes' || Math.abs(value) > 5e-5);
  return (
    <p data-testid="completeness">
      Direct effects add up: {said.map(([name, value]) => `${name} ${signed(value, 3)}`).join(', ')}
      , left over <span title={String(sums.rest)}>{figures(sums.rest)}</span>
      <span className="faint">
        {side.method === 'gradient' ? ' (the head is not linear: its gradient)' : null}
      </span>
    </p>
  );
}

function Verified({ side }: { side: Side }) {
  const { verify, verify_all: all, top_k } = useAttributionSpec();
  const found = side.verification;
  const next = all ? undefined : [20, 50, 100].find((number) => number > verify && number <= top_k);
  const measure =
    next === undefined ? null : (
      <button
        type="button"
        className="link"
        data-testid="measure"
        title={`Runs the model without each of them: ${next} runs, several in a pass`}
        onClick={() => setAttribution({ verify: next })}
      >
        Measure the first {next}
      </button>
    );
  if (!found) return <p>Total effects are estimates, none of them measured. {measure}</p>;
  return (
    <p data-testid="verification" className="attribution-verified">
      <span>
        {count(found.nodes, 'node')} measured:{' '}
        {found.pearson == null
          ? 'too few for a correlation'
          : `Pearson ${found.pearson.toFixed(2)}`}
        {found.spearman == null ? '' : `, of ranks ${found.spearman.toFixed(2)}`}, largest error{' '}
        {figures(found.largest_error)}. {measure}
      </span>
      <Scatter rows={side.rows} />
    </p>
  );
}

function Bounded({ side }: { side: Side }) {
  const { bound } = side;
  if (!bound) return null;
  return (
    <p data-testid="bound">
      None of the {count(bound.nodes, 'node')} that were not measured does more than{' '}
      <strong>{figures(bound.largest)}</strong> either way
      {bound.node == null ? null : <> (it is largest for {bound.node})</>}
      <span className="faint">
        : {percent(bound.confidence)} sure, as far as effects add up; from{' '}
        {count(bound.runs, 'run')}
      </span>
    </p>
  );
}
