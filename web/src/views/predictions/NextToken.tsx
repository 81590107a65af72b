/** The next-token distribution: the answer, where the eye starts. */
import { Bar, SideMark, Token } from '../../shared/parts/parts';
import { nats, probability, rank, signed } from '../../draw/format';
import {
  logitDifference,
  nextRows,
  type NextRow,
  type Predictions,
  type Reading,
} from '../../shared/text/predictions';
import type { Spec } from '../../shared/text/url';
import { change, useSpec } from '../../shared/state/store';

interface Props {
  data: Predictions;
  mode: Spec['mode'];
  kind: 'causal' | 'masked';
}

export function NextToken({ data, mode, kind }: Props) {
  const { k } = useSpec();
  const both = mode === 'difference' && data.edited !== null && data.edited !== undefined;
  const rows = nextRows(data, mode, k);
  const here = data.tokens[data.position];
  return (
    <section className="next-token" aria-labelledby="next-title" data-testid="next-token">
      <h2 id="next-title">
        {kind === 'masked' ? 'Prediction at' : 'Next token after'}{' '}
        {here ? <Token token={here} /> : null}
        <span className="faint"> position {data.position}</span>
      </h2>
      <table className={both ? 'both' : ''}>
        <thead>
          <tr>
            <th scope="col">token</th>
            <th scope="col" className="visual">
              <span className="visually-hidden">share</span>
            </th>
            {both ? (
              <>
                <th scope="col">
                  <SideMark side="baseline" />
                </th>
                <th scope="col">
                  <SideMark side="edited" />
                </th>
                <th scope="col">change</th>
                <th scope="col" title="Rank in the baseline → in the edited run">
                  rank
                </th>
              </>
            ) : (
              <th scope="col">probability</th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) =>
            both ? (
              <BothRow key={row.token.id} row={row} />
            ) : (
              <SingleRow key={row.token.id} row={row} />
            ),
          )}
        </tbody>
      </table>
      <Facts data={data} mode={mode} />
      <Listed rows={rows} />
    </section>
  );
}

/** A token; one click makes it the target that is rated at every layer. */
function Follow({ token }: { token: NextRow['token'] }) {
  const { target } = useSpec();
  const followed = target === token.text;
  return (
    <button
      type="button"
      className="follow"
      aria-pressed={followed}
      // Half a character has no text that would name it.
      disabled={token.text.includes('\uFFFD')}
      title={
        followed
          ? 'The target: click to let it go'
          : `Rate ${token.label} at every layer: its probability and rank`
      }
      onClick={() => change({ target: followed ? '' : token.text, follow: 'target' })}
    >
      <Token token={token} />
    </button>
  );
}

function SingleRow({ row }: { row: NextRow }) {
  const value = row.baseline ?? row.edited ?? 0;
  return (
    <tr>
      <th scope="row">
        <Follow token={row.token} />
      </th>
      <td className="visual">
        <Bar share={value} side={row.baseline === null ? 'edited' : 'baseline'} />
      </td>
      <td className="number" title={String(value)}>
        {probability(value)}
      </td>
    </tr>
  );
}

function BothRow({ row }: { row: NextRow }) {
  const [before, after] = [row.baseline ?? 0, row.edited ?? 0];
  const moved = after - before;
  return (
    <tr className={Math.abs(moved) >= 0.01 ? 'changed' : ''}>
      <th scope="row">
        <Follow token={row.token} />
      </th>
      <td className="visual">
        <Bar share={before} side="baseline" />
        <Bar share={after} side="edited" />
      </td>
      <td className="number" title={String(before)}>
        {probability(before)}
      </td>
      <td className="number" title={String(after)}>
        {probability(after)}
      </td>
      <td className={`number ${moved < 0 ? 'negative' : 'positive'}`}>{signed(moved)}</td>
      <Places ranks={row.ranks} />
    </tr>
  );
}

/** "#1 → #3", or one number where it stayed. */
function Places({ ranks }: { ranks: NextRow['ranks'] }) {
  const [before, after] = ranks ?? [0, 0];
  const moved = before !== after;
  return (
    <td className={`number ${moved ? '' : 'faint'}`} title={`rank ${before} → ${after}`}>
      {moved ? `${before}→${after}` : rank(before)}
    </td>
  );
}

function Listed({ rows }: { rows: NextRow[] }) {
  const sum = (side: 'baseline' | 'edited') =>
    rows.reduce((total, row) => total + (row[side] ?? 0), 0);
  const share = Math.max(sum('baseline'), sum('edited'));
  return (
    <p className="faint listed">
      {rows.length} tokens listed, {(share * 100).toFixed(share > 0.999 ? 2 : 1)} % of the
      probability
    </p>
  );
}

/** Both sides in one line each, so that they can be compared down the page. */
function Facts({ data, mode }: { data: Predictions; mode: Spec['mode'] }) {
  const sides: Array<['baseline' | 'edited', Reading]> = [];
  if (mode !== 'edited' || !data.edited) sides.push(['baseline', data.baseline.next_token]);
  if (data.edited && mode !== 'baseline') sides.push(['edited', data.edited.next_token]);
  const lines: Array<[string, (reading: Reading) => string | null | undefined]> = [
    [
      data.target?.label ?? '',
      (reading) =>
        reading.target &&
        `${probability(reading.target.probability)}  ${rank(reading.target.rank)}`,
    ],
    [
      data.distractor?.label ?? '',
      (reading) =>
        reading.distractor &&
        `${probability(reading.distractor.probability)}  ${rank(reading.distractor.rank)}`,
    ],
    [data.objective ?? '', (reading) => nullable(ownObjective(reading))],
    [
      'logit difference',
      (reading) => (ownObjective(reading) === null ? nullable(logitDifference(reading)) : null),
    ],
    ['entropy, nats', (reading) => nats(reading.entropy)],
  ];
  return (
    <table className="next-facts" data-testid="next-facts">
      <tbody>
        {lines
          .filter(([, read]) =>
            sides.some(([, reading]) => read(reading) !== null && read(reading) !== undefined),
          )
          .map(([name, read]) => (
            <tr key={name}>
              <th scope="row">
                <bdi>{name}</bdi>
              </th>
              {sides.map(([side, reading]) => (
                <td key={side} className={`number ${sides.length > 1 ? side : ''}`}>
                  {read(reading)}
                </td>
              ))}
            </tr>
          ))}
        {data.kl !== null && data.kl !== undefined && mode !== 'baseline' ? (
          <tr>
            <th scope="row" title="KL(baseline ‖ edited): how far the edits move the distribution">
              KL, nats
            </th>
            <td className="number" colSpan={sides.length} data-testid="kl" title={String(data.kl)}>
              {nats(data.kl)}
            </td>
          </tr>
        ) : null}
      </tbody>
    </table>
  );
}

/** The objective's value, unless it is a logit or a difference that stands there already. */
function ownObjective(reading: Reading): number | null {
  const value = reading.objective;
  if (value === null || value === undefined) return null;
  const known = [reading.target?.logit, logitDifference(reading)];
  return known.some((one) => typeof one === 'number' && Math.abs(one - value) < 1e-4)
    ? null
    : value;
}

function nullable(value: number | null): string | null {
  return value === null ? null : signed(value, 2);
}
