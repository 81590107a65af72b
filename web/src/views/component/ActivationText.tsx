/** A text's tokens, each coloured by the component's activation there; of the prompt, to be chosen. */
import type { Schemas } from '../../shared/api/client';
import { isNumber } from '../../shared/parts/ComponentParts';
import { quantity } from '../../draw/format';
import { findLike } from '../../shared/state/position';
import { change } from '../../shared/state/store';

type Component = Schemas['Component'];

/** Share of the colour that a full activation has: text on it stays readable. */
const DEEPEST = 55;

/** `plain`: of another text than the prompt, none of whose positions can be chosen. */
export function ActivationText({ data, plain = false }: { data: Component; plain?: boolean }) {
  const most = data.activation.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-9);
  const signed = data.activation.some((value) => value < 0);
  const chosen = data.tokens[data.position];
  return (
    <div className="activation-text" data-testid={plain ? 'text-activation' : 'activation-text'}>
      <p className="faint activation-scale">
        {isNumber(data) ? 'activation' : 'norm of what it writes'}
        {signed ? (
          <>
            <span className="number">{quantity(-most)}</span>
            <span className="activation-ramp negative" aria-hidden="true" />
          </>
        ) : null}
        <span className="number">0</span>
        <span className="activation-ramp" aria-hidden="true" />
        <span className="number">{quantity(most)}</span>
      </p>
      <p className="activation-tokens">
        {data.tokens.map((token, at) => {
          const value = data.activation[at] ?? 0;
          const shown = {
            title: `position ${at}: ${value}`,
            style: { backgroundColor: colour(value / most) },
            children: (
              <>
                <bdi>{token.label}</bdi>
                <span className="number">{quantity(value)}</span>
              </>
            ),
          };
          return plain ? (
            <span key={at} className="activation-token" {...shown} />
          ) : (
            <button
              key={at}
              type="button"
              className={`activation-token ${at === data.position ? 'chosen' : ''}`}
              aria-current={at === data.position ? 'true' : undefined}
              aria-label={`position ${at}, ${token.label}: ${quantity(value)}`}
              onClick={() => change({ position: at }, 'replace')}
              {...shown}
            />
          );
        })}
      </p>
      {chosen ? (
        <p>
          <button
            type="button"
            className="link"
            title="Find tokens like this one in a corpus (f)"
            data-testid="find-like"
            onClick={findLike}
          >
            Find tokens like <bdi className="token">{chosen.label}</bdi> in a corpus
          </button>
        </p>
      ) : null}
    </div>
  );
}

export function colour(share: number): string {
  const name = share < 0 ? '--negative-bar' : '--positive-bar';
  return `color-mix(in srgb, var(${name}) ${Math.round(Math.abs(share) * DEEPEST)}%, transparent)`;
}
