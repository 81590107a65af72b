/** Every token of the prompt with the component's activation there; for heads, how much it is attended to. */
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { Bar, SignedBar, Token } from './parts';
import { probability, quantity } from '../../draw/format';
import { change } from '../state/store';

const ROW = 22;
const WINDOW = 264;
const MARGIN = 4;

export function PositionList({ data }: { data: Schemas['Component'] }) {
  const [scroll, setScroll] = useState(0);
  const most = data.activation.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-9);
  const first = Math.max(0, Math.floor(scroll / ROW) - MARGIN);
  const last = Math.min(data.tokens.length, Math.ceil((scroll + WINDOW) / ROW) + MARGIN);
  const heads = data.attends_to !== null && data.attends_to !== undefined;
  return (
    <div className={`positions ${heads ? 'heads' : ''}`} data-testid="positions">
      <p className="positions-head faint">
        <span>token</span>
        <span title={data.activation_name}>
          {data.kind === 'neuron' ? 'activation' : 'write norm'}
        </span>
        {heads ? <span>attends to</span> : null}
      </p>
      <div
        className="positions-scroll"
        style={{ maxHeight: WINDOW }}
        onScroll={(event) => setScroll(event.currentTarget.scrollTop)}
      >
        <ul style={{ height: data.tokens.length * ROW }}>
          {data.tokens.slice(first, last).map((token, index) => (
            <Row key={first + index} data={data} at={first + index} token={token} most={most} />
          ))}
        </ul>
      </div>
      {typeof data.sink === 'number' ? <Sink share={data.sink} /> : null}
    </div>
  );
}

/** What of a head's attention goes to no token. */
function Sink({ share }: { share: number }) {
  return (
    <p className="positions-sink" data-testid="sink">
      <span title="A learned score that competes with the tokens’ for attention. Nothing is taken from it: of this share the head gets nothing.">
        to no token (sink)
      </span>
      <Bar share={share} side="accent" />
      <span className="number" title={String(share)}>
        {probability(share)}
      </span>
    </p>
  );
}

interface RowProps {
  data: Schemas['Component'];
  at: number;
  token: Schemas['Token'];
  most: number;
}

function Row({ data, at, token, most }: RowProps) {
  const value = data.activation[at] ?? 0;
  const attention = data.attends_to?.[at];
  return (
    <li style={{ top: at * ROW, height: ROW }}>
      <button
        type="button"
        className={at === data.position ? 'chosen' : ''}
        aria-current={at === data.position ? 'true' : undefined}
        onClick={() => change({ position: at }, 'replace')}
      >
        <span className="faint number">{at}</span>
        <Token token={token} />
        {data.kind === 'neuron' ? (
          <SignedBar share={value / most} />
        ) : (
          <Bar share={value / most} side="accent" />
        )}
        <span className="number" title={String(value)}>
          {quantity(value)}
        </span>
        {attention === undefined ? null : (
          <>
            <Bar share={attention} side="accent" />
            <span className="number" title={String(attention)}>
              {at > data.position && attention === 0 ? '·' : probability(attention)}
            </span>
          </>
        )}
      </button>
    </li>
  );
}
