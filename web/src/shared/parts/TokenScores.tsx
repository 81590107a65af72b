/** What promotes and suppresses what: as tables, as bars, as word clouds. */
import { useState } from 'react';
import { Segments } from './parts';
import type { Show } from '../text/explore';
import { ask, useExplore } from '../state/exploring';
import { TokenChip } from './HitRow';
import { WordCloud, type ScoredToken } from './WordCloud';

export function ShowChoice() {
  const { show } = useExplore();
  return (
    <Segments
      name="show"
      label="Tokens as"
      value={show}
      options={[
        ['table', 'table', 'With numbers'],
        ['bars', 'bars', 'As a bar chart'],
        ['cloud', 'cloud', 'As a word cloud: height is score'],
      ]}
      onChange={(value: Show) => ask({ show: value }, 'replace')}
    />
  );
}

interface Props {
  promoted: readonly ScoredToken[];
  suppressed: readonly ScoredToken[];
  /** What the numbers are: "logit per unit", "cosine". */
  unit: string;
  /** How many are listed on either side. */
  most: number;
}

export function TokenScores({ promoted, suppressed, unit, most }: Props) {
  const { show } = useExplore();
  const [all, setAll] = useState(false);
  const listed = Math.max(promoted.length, suppressed.length);
  const largest = Math.max(
    ...[...promoted, ...suppressed].map(({ score }) => Math.abs(score)),
    1e-12,
  );
  const sides = [
    ['promotes', promoted],
    ['suppresses', suppressed],
  ] as const;
  return (
    <div className={`token-scores ${show}`}>
      {sides.map(([title, tokens]) => (
        <div key={title} data-testid={`vector-${title}`}>
          {show === 'table' ? (
            <Table
              title={title}
              tokens={all ? tokens : tokens.slice(0, most)}
              unit={unit}
              largest={largest}
            />
          ) : (
            <>
              <h4>{title}</h4>
              {show === 'bars' ? (
                <BarChart title={title} tokens={tokens.slice(0, 40)} largest={largest} />
              ) : (
                <WordCloud tokens={tokens} label={title} height={260} />
              )}
            </>
          )}
        </div>
      ))}
      {show === 'table' && listed > most ? (
        <button type="button" className="link token-more" onClick={() => setAll(!all)}>
          {all ? `the first ${most}` : `all ${listed}`}
        </button>
      ) : null}
    </div>
  );
}

interface TableProps {
  title: string;
  tokens: readonly ScoredToken[];
  unit: string;
  largest: number;
}

export function Table({ title, tokens, unit, largest }: TableProps) {
  return (
    <table className="effect-list">
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" className="visual">
            <span className="visually-hidden">size</span>
          </th>
          <th scope="col" className="unit">
            {unit}
          </th>
        </tr>
      </thead>
      <tbody>
        {tokens.map((item) => (
          <tr key={item.token.id}>
            <th scope="row">
              <TokenChip item={item} />
            </th>
            <td className="visual">
              <ScoreBar share={item.score / largest} />
            </td>
            <td className="number" title={String(item.score)}>
              {signedScore(item.score)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** All of a list are of one sign: its bars start at the left, the colour and the number say which. */
export function ScoreBar({ share }: { share: number }) {
  return (
    <span className={`score-bar ${share < 0 ? 'negative' : 'positive'}`} aria-hidden="true">
      <span style={{ width: `${Math.min(1, Math.abs(share)) * 100}%` }} />
    </span>
  );
}

export function signedScore(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(Math.abs(value) < 0.995 ? 3 : 2)}`;
}

const ROW = 15;
const LABEL = 116;

/** Up to 40 tokens, each a bar from zero; the numbers stand beside them. */
function BarChart({
  title,
  tokens,
  largest,
}: {
  title: string;
  tokens: readonly ScoredToken[];
  largest: number;
}) {
  const WIDTH = 420;
  const room = WIDTH - LABEL - 52;
  return (
    <svg
      className="bar-chart"
      viewBox={`0 0 ${WIDTH} ${tokens.length * ROW + 4}`}
      role="img"
      aria-label={`${title}: ${tokens
        .slice(0, 12)
        .map(({ token, score }) => `${token.label} ${signedScore(score)}`)
        .join(', ')}`}
    >
      {tokens.map(({ token, score }, at) => (
        <g key={token.id} transform={`translate(0 ${at * ROW})`}>
          <title>{`${token.label}  ${score}`}</title>
          <text x={LABEL - 6} y={ROW / 2} textAnchor="end" dominantBaseline="central">
            {clip(token.label)}
          </text>
          <rect
            x={LABEL}
            y={3}
            height={ROW - 6}
            width={(room * Math.abs(score)) / largest}
            className={score < 0 ? 'negative' : 'positive'}
          />
          <text
            x={LABEL + (room * Math.abs(score)) / largest + 5}
            y={ROW / 2}
            dominantBaseline="central"
            className="value"
          >
            {signedScore(score)}
          </text>
        </g>
      ))}
      <line x1={LABEL} x2={LABEL} y1={0} y2={tokens.length * ROW} />
    </svg>
  );
}

function clip(label: string): string {
  const characters = [...label];
  return characters.length <= 16 ? label : `${characters.slice(0, 15).join('')}…`;
}
