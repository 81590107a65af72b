/**
 * Every token of the prompt with the component’s activation there; for heads, how much it is attended
 * to. Heads that attend to an encoder look at the source: its tokens stand there.
 */
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { isNumber } from './ComponentParts';
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
  const source = data.kind === 'cross_head';
  const tokens = source ? data.source_tokens : data.tokens;
  const last = Math.min(tokens.length, Math.ceil((scroll + WINDOW) / ROW) + MARGIN);
  const heads = data.attends_to !== null && data.attends_to !== undefined;
  return (
    <div className={`positions ${heads && !source ? 'heads' : ''}`} data-testid="positions">
      <p className="positions-head faint">
        <span>{source ? 'token of the source' : 'token'}</span>
        {source ? null : (
          <span title={data.activation_name}>{isNumber(data) ? 'activation' : 'write norm'}</span>
        )}
        {heads ? <span>attends to</span> : null}
      </p>
      <div
        className="positions-scroll"
        style={{ maxHeight: WINDOW }}
        onScroll={(event) => setScroll(event.currentTarget.scrollTop)}
      >
        <ul style={{ height: tokens.length * ROW }}>
          {tokens.slice(first, last).map((token, index) => {
            const at = first + index;
            return source ? (
              <SourceRow key={at} at={at} token={token} share={data.attends_to?.[at] ?? 0} />
            ) : (
              <Row key={at} data={data} at={at} token={token} most={most} />
            );
          })}
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

/** A token of the source: no position of the page. */
function SourceRow({ at, token, share }: { at: number; token: Schemas['Token']; share: number }) {
  return (
    <li className="of-source" style={{ top: at * ROW, height: ROW }}>
      <span className="faint number">{at}</span>
      <Token token={token} />
      <Bar share={share} side="accent" />
      <span className="number" title={String(share)}>
        {probability(share)}
      </span>
    </li>
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
        {isNumber(data) ? (
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
