/** An error beside the last good picture: what is wrong, where, and what mends it. */
import { useEffect } from 'react';
import type { ApiError } from '../api/client';
import { useErrors } from '../state/problems';

interface Props {
  error: ApiError | null;
  retry: () => void;
  /** An older answer is still shown below. */
  stale: boolean;
  /** The question was about a node: its target is no token of the prompt bar. */
  ofNode?: boolean;
}

export function ErrorNote({ error, retry, stale, ofNode = false }: Props) {
  useEffect(() => {
    if (!error || (ofNode && error.body.field === 'target')) return;
    useErrors.setState(({ errors }) => ({ errors: [...errors, error] }));
    return () =>
      useErrors.setState(({ errors }) => ({ errors: errors.filter((other) => other !== error) }));
  }, [error, ofNode]);
  if (!error || error.refused) return null;
  const { body } = error;
  return (
    <section className="error-note" role="alert" data-testid="error">
      <p>
        <strong>{body.message}</strong>
      </p>
      {body.legal && !body.message.includes(body.legal) ? (
        <p>Possible here: {body.legal}.</p>
      ) : null}
      {body.fix ? <p>{body.fix}</p> : null}
      <p className="faint">
        {body.field ? <span className="mono">{body.field} </span> : null}
        {stale ? 'The last answer is kept below. ' : null}
        {body.code === 'not_capable' ? null : (
          <button type="button" className="link" data-testid="retry" onClick={retry}>
            Retry
          </button>
        )}
      </p>
    </section>
  );
}
