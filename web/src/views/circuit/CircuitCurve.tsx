/** Faithfulness of growing shares of the edges, with the circuit among them. */
import type { Analysis } from '../../shared/api/queries';
import { part } from '../../draw/format';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { setCircuit, useCircuitSpec } from './circuitState';
import type { CircuitAnswer } from './query';

interface Props {
  circuit: CircuitAnswer;
  analysis: Analysis<CircuitAnswer>;
  /** What it will cost, where it does not start by itself; null: it has started. */
  start: (() => void) | null;
}

const SIZE = { width: 264, height: 128, left: 28, right: 8, top: 8, bottom: 18 };

interface Point {
  edges: number;
  faithfulness: number;
}

export function CircuitCurve({ circuit, analysis, start }: Props) {
  const curve = analysis.data;
  const points = (curve?.curve ?? []).flatMap(({ edges, faithfulness }): Point[] =>
    faithfulness == null ? [] : [{ edges, faithfulness }],
  );
  return (
    <section className="circuit-curve" aria-label="Faithfulness by number of edges">
      <h3>Faithfulness</h3>
      {start ? (
        <p>
          <button type="button" data-testid="curve-start" onClick={start}>
            Measure the curve
          </button>{' '}
          <span className="faint">11 runs with growing shares of the edges</span>
        </p>
      ) : null}
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={curve !== null} />
      {points.length > 0 ? (
        <>
          <Chart points={points} circuit={circuit} />
          <p className="faint" data-testid="circuit-scores">
            {curve?.cmd == null
              ? null
              : `CMD ${curve.cmd.toFixed(3)} (lower is better), CPR ${(curve.cpr ?? 0).toFixed(3)}`}
          </p>
          <Points points={points} />
        </>
      ) : analysis.busy ? (
        <p className="faint" data-busy="true" aria-busy="true">
          measuring growing shares of the edges
        </p>
      ) : null}
    </section>
  );
}

function Points({ points }: { points: readonly Point[] }) {
  const { edges } = useCircuitSpec();
  return (
    <ul className="circuit-points">
      {points.map((point) => (
        <li key={point.edges}>
          <button
            type="button"
            className="link number"
            aria-pressed={point.edges === edges}
            title="Keep that many edges"
            onClick={() => setCircuit({ edges: point.edges })}
          >
            {point.edges.toLocaleString('en')}
          </button>{' '}
          <span className="number">{part(point.faithfulness)}</span>
        </li>
      ))}
    </ul>
  );
}

function Chart({ points, circuit }: { points: readonly Point[]; circuit: CircuitAnswer }) {
  const { width, height, left, right, top, bottom } = SIZE;
  const own = { edges: circuit.edges.length, faithfulness: circuit.faithfulness ?? 0 };
  const values = [...points, own].map(({ faithfulness }) => faithfulness);
  const [low, high] = [Math.min(0, ...values), Math.max(1, ...values)];
  const most = Math.log(circuit.n_edges);
  const x = (edges: number) =>
    left + (Math.log(Math.max(1, edges)) / most) * (width - left - right);
  const y = (value: number) => top + ((high - value) / (high - low || 1)) * (height - top - bottom);
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      data-testid="circuit-chart"
      aria-label={`Faithfulness of ${points.length} numbers of edges; this circuit: ${own.edges} edges, ${part(own.faithfulness)}`}
    >
      {[0, 1].map((value) => (
        <g key={value}>
          <path d={`M${left} ${y(value)}H${width - right}`} className="axis-line" />
          <text x={left - 6} y={y(value) + 3.5} textAnchor="end">
            {value}
          </text>
        </g>
      ))}
      <polyline
        className="curve-line"
        points={points.map((point) => `${x(point.edges)},${y(point.faithfulness)}`).join(' ')}
      />
      {points.map((point) => (
        <circle
          key={point.edges}
          className="curve-point"
          cx={x(point.edges)}
          cy={y(point.faithfulness)}
          r={2.5}
        />
      ))}
      <circle className="curve-own" cx={x(own.edges)} cy={y(own.faithfulness)} r={5} />
      <text x={left} y={height - 4}>
        1
      </text>
      <text x={width - right} y={height - 4} textAnchor="end">
        {circuit.n_edges.toLocaleString('en')} edges
      </text>
    </svg>
  );
}
