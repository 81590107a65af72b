/** Of a latent that writes at several layers: each of its vectors. */
import type { Vector } from '../../shared/api/explore';
import { Token } from '../../shared/parts/parts';
import { quantity } from '../../draw/format';

const SHOWN = 5;

export function LayerWrites({ writes }: { writes: NonNullable<Vector['writes']> }) {
  return (
    <div className="layer-writes">
      <table data-testid="layer-writes">
        <thead>
          <tr>
            <th scope="col">where</th>
            <th scope="col" className="number" title="Length, for a value of 1">
              norm
            </th>
            <th scope="col" className="number" title="Cosine with all that it writes, together">
              cosine
            </th>
            <th scope="col">raises</th>
            <th scope="col">lowers</th>
          </tr>
        </thead>
        <tbody>
          {writes.map((one) => (
            <tr key={one.site}>
              <th scope="row" className="mono">
                {one.site}
              </th>
              <td className="number">{quantity(one.norm)}</td>
              <td className="number">{one.cosine.toFixed(2).replace('-', '−')}</td>
              <Tokens scores={one.promoted} />
              <Tokens scores={one.suppressed} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Tokens({ scores }: { scores: Vector['promoted'] }) {
  return (
    <td>
      {scores.slice(0, SHOWN).map(({ token }) => (
        <Token key={token.id} token={token} />
      ))}
    </td>
  );
}
