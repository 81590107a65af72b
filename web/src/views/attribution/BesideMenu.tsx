/** Another prompt, of any length, whose attribution stands beside that of the own one. */
import { useState } from 'react';
import { useSpec } from '../../shared/state/store';
import { setAttribution, useAttributionSpec } from './attributionState';

export function BesideMenu() {
  const { prompt } = useSpec();
  const { beside, align } = useAttributionSpec();
  const [draft, setDraft] = useState(beside === '' ? prompt : beside);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setAttribution({ beside: draft, align: [], open: null });
      }}
    >
      <h3>Beside another prompt</h3>
      <textarea
        className="mono against-field"
        data-testid="beside"
        aria-label="Another prompt"
        rows={3}
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
      />
      <p className="cost-actions">
        <button
          type="submit"
          className="primary"
          data-testid="beside-use"
          disabled={draft === '' || draft === prompt || draft === beside}
        >
          Compare
        </button>
        {beside === '' ? null : (
          <button
            type="button"
            className="link"
            data-testid="beside-remove"
            onClick={() => setAttribution({ beside: '', align: [], open: null })}
          >
            No other prompt
          </button>
        )}
      </p>
      <p className="option-note">
        Of any length: tokens stand beside each other by their longest common parts, or by hand:
        click one of the other prompt’s under the strip, then where it should stand. Both run
        without edits, for the same target.
      </p>
      {align.length === 0 ? null : (
        <p data-testid="by-hand">
          By hand <span className="mono">{align.join(', ')}</span>{' '}
          <button
            type="button"
            className="link"
            data-testid="align-remove"
            onClick={() => setAttribution({ align: [] })}
          >
            Common parts alone
          </button>
        </p>
      )}
    </form>
  );
}
