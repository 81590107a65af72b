/** Estimated against measured, one dot a node. */
import type { Node } from './rows';

const SIZE = 56;
const EDGE = 4;

export function Scatter({ rows }: { rows: readonly Node[] }) {
  const dots = rows.flatMap(({ name, total, measured }) =>
    measured == null ? [] : [{ name, total, measured }],
  );
  const most = Math.max(
    1e-12,
    ...dots.flatMap((dot) => [Math.abs(dot.total), Math.abs(dot.measured)]),
  );
  const place = (value: number) => SIZE / 2 + (value / most) * (SIZE / 2 - EDGE);
  return (
    <svg
      className="attribution-scatter"
      viewBox={`0 0 ${SIZE} ${SIZE}`}
      width={SIZE}
      height={SIZE}
      role="img"
      aria-label={`Estimated against measured effects of ${dots.length} nodes; on the diagonal both agree`}
    >
      <path d={`M0 ${SIZE / 2}H${SIZE}M${SIZE / 2} 0V${SIZE}`} className="axis-line" />
      <path d={`M0 ${SIZE}L${SIZE} 0`} className="agree-line" />
      {dots.map(({ name, total, measured }) => (
        <circle key={name} cx={place(total)} cy={SIZE - place(measured)} r={2}>
          <title>{`${name}: estimated ${total}, measured ${measured}`}</title>
        </circle>
      ))}
    </svg>
  );
}
