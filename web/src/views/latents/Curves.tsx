/** What the checkpoints of a training measured, as four small curves on one axis of tokens, and as a table. */
import { figures, percent } from '../../draw/format';
import { kept, type Measured } from './request';

const SIZE = { width: 172, height: 104, left: 40, right: 6, top: 8, bottom: 18 } as const;

interface Measure {
  label: string;
  says: string;
  value: (one: Measured) => number | null;
  shown: (value: number) => string;
  /** Shares have a fixed end: 1. */
  share?: boolean;
}

const MEASURES: readonly Measure[] = [
  {
    label: 'Explained',
    says: 'Share of the variance of held-out tokens: 1 − |y − reconstruction|² / |y − mean y|²',
    value: (one) => one.explained,
    shown: percent,
    share: true,
  },
  {
    label: 'Loss kept',
    says: 'Of what ablation of the site to zero costs, the share that its reconstruction keeps',
    value: kept,
    shown: percent,
    share: true,
  },
  {
    label: 'Active (L0)',
    says: 'Latents that are not 0 at a token, in the mean',
    value: (one) => one.active,
    shown: figures,
  },
  {
    label: 'Dead',
    says: 'Latents that were 0 at the last tokens that were learnt from',
    value: (one) => one.dead,
    shown: (value) => value.toLocaleString('en'),
  },
];

interface Props {
  name: string;
  history: readonly Measured[];
  /** Tokens that are to be learnt from; absent: those that were. */
  total?: number;
}

export function Curves({ name, history, total }: Props) {
  const most = total ?? history.at(-1)?.n_tokens ?? 1;
  return (
    <section className="curves" aria-label={`Measures of ${name}`} data-testid="curves">
      <div className="curves-charts">
        {MEASURES.map((measure) => (
          <Chart key={measure.label} measure={measure} history={history} most={most} />
        ))}
      </div>
      <details>
        <summary>As a table</summary>
        <Table history={history} />
      </details>
    </section>
  );
}

interface ChartProps {
  measure: Measure;
  history: readonly Measured[];
  most: number;
}

function Chart({ measure, history, most }: ChartProps) {
  const found = history.flatMap((one) => {
    const value = measure.value(one);
    return value === null ? [] : [{ at: one.n_tokens, value }];
  });
  const last = found.at(-1);
  if (!last) return null;
  const { width, height, left, right, top, bottom } = SIZE;
  const values = found.map(({ value }) => value);
  const high = measure.share ? Math.max(1, ...values) : roundAbove(Math.max(1, ...values));
  const low = Math.min(0, ...values.map((value) => Math.max(value, measure.share ? -1 : 0)));
  const x = (tokens: number) => left + (tokens / most) * (width - left - right);
  const y = (value: number) =>
    top + ((high - Math.max(value, low)) / (high - low)) * (height - top - bottom);
  const said = `${measure.label}: ${measure.shown(last.value)} after ${last.at.toLocaleString('en')} tokens`;
  return (
    <figure title={measure.says}>
      <figcaption>
        {measure.label} <strong className="number">{measure.shown(last.value)}</strong>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
        role="img"
        aria-label={said}
      >
        {[low, measure.share ? 1 : high].map((value) => (
          <g key={value}>
            <path d={`M${left} ${y(value)}H${width - right}`} className="axis-line" />
            <text x={left - 6} y={y(value) + 3.5} textAnchor="end">
              {measure.share ? `${Math.round(100 * value)} %` : value.toLocaleString('en')}
            </text>
          </g>
        ))}
        <polyline
          className="curve-line"
          points={found.map((one) => `${x(one.at)},${y(one.value)}`).join(' ')}
        />
        {found.map((one) => (
          <circle key={one.at} className="curve-point" cx={x(one.at)} cy={y(one.value)} r={2}>
            <title>
              {measure.shown(one.value)} after {one.at.toLocaleString('en')} tokens
            </title>
          </circle>
        ))}
        <text x={left} y={height - 4}>
          0
        </text>
        <text x={width - right} y={height - 4} textAnchor="end">
          {most.toLocaleString('en')} tokens
        </text>
      </svg>
    </figure>
  );
}

/** The next of 1, 2, 5, 10, 20 ... that is larger. */
function roundAbove(value: number): number {
  const scale = 10 ** Math.floor(Math.log10(value));
  return scale * ([2, 5, 10].find((one) => one * scale > value) ?? 10);
}

function Table({ history }: { history: readonly Measured[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th className="number">Tokens</th>
          {MEASURES.map(({ label }) => (
            <th key={label} className="number">
              {label}
            </th>
          ))}
          <th className="number" title="Of the next token, in nats, with the reconstruction">
            Loss
          </th>
        </tr>
      </thead>
      <tbody>
        {history.map((one) => (
          <tr key={one.n_tokens}>
            <td className="number">{one.n_tokens.toLocaleString('en')}</td>
            {MEASURES.map(({ label, value, shown }) => {
              const found = value(one);
              return (
                <td key={label} className="number">
                  {found === null ? '–' : shown(found)}
                </td>
              );
            })}
            <td className="number">{one.losses ? one.losses.spliced.toFixed(3) : '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
