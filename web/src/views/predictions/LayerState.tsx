/** What one state of the residual stream predicts: a line, or, in an opened layer, a list. */
import { Bar, SideMark, Token } from '../../shared/parts/parts';
import { nats, probability, rank } from '../../draw/format';
import {
  readingRows,
  sameReading,
  topChanged,
  type Predictions,
  type Reading,
} from '../../shared/text/predictions';
import type { Spec } from '../../shared/text/url';
import type { CardContent, CardSide } from '../../draw/card';
import { hidePeek, showPeek } from '../../shared/state/peek';
import { change } from '../../shared/state/store';

interface Pair {
  baseline: Reading;
  edited: Reading | null;
}

interface StateProps {
  pair: Pair;
  name: string;
  title: string;
  data: Predictions;
  mode: Spec['mode'];
  chosen: boolean;
  tabbable: boolean;
  open: boolean;
}

export function State({ pair, name, title, data, mode, chosen, tabbable, open }: StateProps) {
  const shown = sidesOf(pair, mode);
  const changed = shown.length > 1 && topChanged(pair.baseline, pair.edited);
  const peek = (element: HTMLElement) =>
    showPeek(element.getBoundingClientRect(), peekContent(title, shown, data));
  const same = mode === 'difference' && pair.edited !== null && shown.length === 1;
  return (
    <td className={`state ${changed ? 'changed' : ''} ${chosen ? 'chosen' : ''}`}>
      <button
        type="button"
        className="measured"
        tabIndex={tabbable ? 0 : -1}
        data-testid={`state-${name}`}
        onClick={() => change({ row: name }, 'replace')}
        onMouseEnter={(event) => peek(event.currentTarget)}
        onFocus={(event) => peek(event.currentTarget)}
        onMouseLeave={hidePeek}
        onBlur={hidePeek}
      >
        {open ? (
          <List pair={pair} shown={shown} data={data} />
        ) : (
          shown.map(([side, reading]) => (
            <Line
              key={side}
              reading={reading}
              {...(shown.length > 1 ? { side } : {})}
              same={same}
              data={data}
              changed={changed && side === 'edited'}
            />
          ))
        )}
      </button>
    </td>
  );
}

type Shown = Array<readonly [side: 'baseline' | 'edited', reading: Reading]>;

/** Both runs where they differ; states before the first edit are the same, and are said once. */
function sidesOf({ baseline, edited }: Pair, mode: Spec['mode']): Shown {
  if (mode === 'baseline' || !edited) return [['baseline', baseline]];
  if (mode === 'edited') return [['edited', edited]];
  if (sameReading(baseline, edited)) return [['baseline', baseline]];
  return [
    ['baseline', baseline],
    ['edited', edited],
  ];
}

interface LineProps {
  reading: Reading;
  side?: 'baseline' | 'edited';
  same: boolean;
  data: Predictions;
  changed: boolean;
}

function Line({ reading, side, same, data, changed }: LineProps) {
  const [best, ...rest] = reading.top;
  const share = reading.target?.probability ?? best?.probability ?? 0;
  return (
    <span className={`line ${side ?? ''} ${same ? 'same' : ''}`}>
      {side ? <SideMark side={side} /> : null}
      <span className="best">
        {best ? <Token token={best.token} /> : null}
        {changed ? (
          <span className="changed-mark" title="another token than in the baseline">
            ≠<span className="visually-hidden"> changed</span>
          </span>
        ) : null}
      </span>
      <span className="number first">{best ? probability(best.probability) : ''}</span>
      {reading.target ? null : (
        <span className="rest">
          {rest.slice(0, 3).map((entry) => (
            <Token key={entry.token.id} token={entry.token} />
          ))}
        </span>
      )}
      <Scores reading={reading} data={data} />
      <span className="number entropy" title={`entropy ${reading.entropy} nats`}>
        {nats(reading.entropy)}
      </span>
      <span className="trace" style={{ width: `${share * 100}%` }} aria-hidden="true" />
    </span>
  );
}

function Scores({ reading, data }: { reading: Reading; data: Predictions }) {
  return (
    <>
      {reading.target ? (
        <Score label={data.target?.label} score={reading.target} name="target-score" />
      ) : null}
      {reading.distractor ? (
        <Score label={data.distractor?.label} score={reading.distractor} name="distractor-score" />
      ) : null}
    </>
  );
}

interface ScoreProps {
  label: string | undefined;
  score: NonNullable<Reading['target']>;
  name: string;
}

function Score({ label, score, name }: ScoreProps) {
  return (
    <span
      className={`score ${name}`}
      title={`${label ?? ''}: probability ${score.probability}, rank ${score.rank}, logit ${score.logit}`}
    >
      <span className="number">{probability(score.probability)}</span>{' '}
      <span className="number rank">{rank(score.rank)}</span>
    </span>
  );
}

/** The tokens listed, with their probabilities; then what is asked about. */
function List({ pair, shown, data }: { pair: Pair; shown: Shown; data: Predictions }) {
  const both = shown.length > 1;
  const of = (side: 'baseline' | 'edited') => shown.find(([name]) => name === side)?.[1] ?? null;
  const rows = readingRows(of('baseline'), of('edited'));
  return (
    <span className={`token-rows ${both ? 'both' : ''}`}>
      {both ? (
        <span className="token-row heads">
          <span />
          <span />
          {shown.map(([side]) => (
            <span key={side} className="number">
              <SideMark side={side} />
            </span>
          ))}
        </span>
      ) : null}
      {rows.map((row) => (
        <span className="token-row" key={row.token.id}>
          <Token token={row.token} />
          <span>
            {shown.map(([side]) => (
              <Bar key={side} share={row[side] ?? 0} side={side} />
            ))}
          </span>
          {shown.map(([side]) => (
            <Value key={side} value={row[side]} reading={pair[side]} />
          ))}
        </span>
      ))}
      {shown.map(([side, reading]) => (
        <span className={`token-facts ${side}`} key={side}>
          {both ? <SideMark side={side} /> : null}
          <Scores reading={reading} data={data} />
          <span className="spring" />
          <span className="faint" title={`entropy ${reading.entropy} nats`}>
            H
          </span>{' '}
          <span className="number">{nats(reading.entropy)}</span>
        </span>
      ))}
    </span>
  );
}

/** Not listed on this side: less likely than the last token that is. */
function Value({ value, reading }: { value: number | null; reading: Reading | null }) {
  if (value !== null)
    return (
      <span className="number" title={String(value)}>
        {probability(value)}
      </span>
    );
  const least = reading?.top.at(-1)?.probability;
  return (
    <span className="number faint" title="not among the tokens listed on this side">
      {least === undefined ? '' : `<${probability(least)}`}
    </span>
  );
}

function peekContent(title: string, shown: Shown, data: Predictions): CardContent {
  const column = (side: 'baseline' | 'edited', reading: Reading): CardSide => ({
    side,
    top: reading.top.slice(0, 10).map(({ token, ...score }) => ({ label: token.label, ...score })),
    facts: [
      ...scoreFact(data.target?.label, reading.target),
      ...scoreFact(data.distractor?.label, reading.distractor),
      ['entropy', `${nats(reading.entropy)} nats`],
      ['KL from final', `${nats(reading.kl_to_final)} nats`],
    ],
  });
  return { title, sides: shown.map(([side, reading]) => column(side, reading)) };
}

function scoreFact(label: string | undefined, score: Reading['target']): Array<[string, string]> {
  return label !== undefined && score
    ? [[label, `${probability(score.probability)}  ${rank(score.rank)}`]]
    : [];
}
