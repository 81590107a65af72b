/** The autoencoders whose latents are nodes now, and what speaks for each. */
import { figures, percent } from '../../draw/format';
import type { ModelInfo } from '../../shared/api/queries';
import { change } from '../../shared/state/store';
import { detachIt, useMaking } from './training';

export function Attached({ model }: { model: ModelInfo }) {
  const { doing } = useMaking();
  return (
    <section data-testid="attached-saes">
      <h2>Attached</h2>
      {model.attached.length === 0 ? (
        <p className="faint">
          None. Attached to the model, the latents of one are nodes like heads and neurons: they
          have pages, are edited, searched, and rows of an attribution.
        </p>
      ) : (
        <ul className="latents-list">
          {model.attached.map((one) => (
            <li key={one.stem}>
              <button
                type="button"
                className="link mono"
                title="The page of the first latent"
                onClick={() => change({ view: 'component', node: `${one.stem}0` })}
              >
                {one.stem}0–{one.n_latents - 1}
              </button>{' '}
              <span>{one.words}</span>{' '}
              {one.explained === null || one.active === null ? (
                <span className="faint">not held against the model</span>
              ) : (
                <span className="faint">
                  explains {percent(one.explained)} of a fixed text, {figures(one.active)} active
                </span>
              )}{' '}
              <button
                type="button"
                className="link"
                disabled={doing !== null}
                data-testid={`detach-${one.stem}`}
                onClick={() => void detachIt(one.stem)}
              >
                Detach
              </button>
              {one.doubts.map((doubt) => (
                <p key={doubt} className="faint">
                  Note: {doubt}.
                </p>
              ))}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
