/** A circuit of several pairs: what it carries on each, and on those that it was not found on. */
import { useState } from 'react';
import { count, figures, part } from '../../draw/format';
import { setCircuit, useCircuitSpec } from './circuitState';
import type { CircuitAnswer } from './query';

type Carried = CircuitAnswer['by_pair'][number];

interface Props {
  answer: CircuitAnswer;
  /** With the scores of all edges; null until they are measured. */
  curve: CircuitAnswer | null;
}

export function CircuitPairs({ answer, curve }: Props) {
  return (
    <section className="circuit-pairs" aria-label="Pairs" data-testid="circuit-pairs">
      <h3>By pair</h3>
      <Hold answer={answer} />
      <Held answer={answer} curve={curve} />
      <Spread pairs={answer.by_pair} />
      <Table pairs={answer.by_pair} />
      {answer.left_out.length > 0 ? (
        <>
          <p className="faint">Of {count(answer.left_out.length, 'pair')} nothing was computed:</p>
          <ul className="circuit-left-out" data-testid="pairs-left-out">
            {answer.left_out.map(({ pair, reason }) => (
              <li key={pair}>
                pair {pair + 1}: {reason}
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </section>
  );
}

/** How many are held out: taken over where the field is left, or with Enter. */
function Hold({ answer }: { answer: CircuitAnswer }) {
  const { held_out } = useCircuitSpec();
  const most = answer.by_pair.length - 1;
  const commit = (typed: number) => {
    const legal = Number.isInteger(typed) && typed >= 0 && typed <= most;
    if (legal && typed !== held_out) setCircuit({ held_out: typed });
  };
  return (
    <label className="circuit-hold">
      hold out the last
      <input
        type="number"
        className="number"
        data-testid="held-out"
        min={0}
        max={most}
        defaultValue={held_out}
        key={held_out}
        onBlur={(event) => commit(event.target.valueAsNumber)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(event.currentTarget.valueAsNumber);
        }}
      />
      of {count(most + 1, 'pair')}
    </label>
  );
}

function Held({ answer, curve }: Props) {
  const held = answer.held_out;
  if (!held)
    return (
      <p className="faint">
        Measured on the pairs that it was found on: hold some out to see what it carries elsewhere.
      </p>
    );
  const scores = curve?.held_out;
  return (
    <p data-testid="held-out-scores">
      On {count(held.n_pairs, 'pair')} held out:{' '}
      <strong>{held.faithfulness == null ? '–' : part(held.faithfulness)}</strong>
      <span className="faint">
        {' '}
        of {figures(held.whole)}; found on {count(answer.n_pairs, 'pair')}:{' '}
        {answer.faithfulness == null ? '–' : part(answer.faithfulness)}
        {scores?.cmd == null
          ? ''
          : ` · there CMD ${scores.cmd.toFixed(3)}, CPR ${(scores.cpr ?? 0).toFixed(3)}`}
      </span>
    </p>
  );
}

function Spread({ pairs }: { pairs: readonly Carried[] }) {
  const known = pairs.flatMap((one) =>
    one.faithfulness == null ? [] : [{ share: one.faithfulness, pair: one.pair }],
  );
  if (known.length < 2) return null;
  const sorted = [...known].sort((a, b) => a.share - b.share);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (!least || !most) return null;
  return (
    <p className="faint" data-testid="pairs-spread">
      From {part(least.share)} (pair {least.pair + 1}) to {part(most.share)} (pair {most.pair + 1}).
    </p>
  );
}

const SHOWN = 30;

/** The pairs that it carries least come first. */
function Table({ pairs }: { pairs: readonly Carried[] }) {
  const [all, setAll] = useState(false);
  const sorted = [...pairs].sort((a, b) => (a.faithfulness ?? 0) - (b.faithfulness ?? 0));
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  return (
    <>
      <table data-testid="pairs-table">
        <thead>
          <tr>
            <th scope="col" className="number" title="Number of the pair">
              #
            </th>
            <th scope="col">prompt</th>
            <th scope="col" className="number" title="Answer less wrong answer, whole model">
              model
            </th>
            <th scope="col" className="number" title="The same with the circuit alone">
              alone
            </th>
            <th scope="col" className="number" title="Faithfulness, of this pair by itself">
              part
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.pair}>
              <td className="number">{one.pair + 1}</td>
              <th scope="row" title={one.clean}>
                <bdi>{one.clean}</bdi>
                {one.held_out ? <span className="faint circuit-held">held out</span> : null}
              </th>
              <td className="number">{figures(one.whole)}</td>
              <td className="number">{figures(one.value)}</td>
              <td className="number">{one.faithfulness == null ? '–' : part(one.faithfulness)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < pairs.length ? (
        <button type="button" className="link" onClick={() => setAll(true)}>
          All {pairs.length.toLocaleString('en')}
        </button>
      ) : null}
    </>
  );
}
