/** Any text, its tokens tinted by the node's activation; which, is in the address. */
import { useState } from 'react';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Status } from '../../shared/parts/ViewBar';
import { readText, useOtherText } from './componentState';
import { ActivationText } from './ActivationText';
import { useOnText } from './query';

export function OtherText({ node }: { node: string }) {
  const other = useOtherText();
  const [draft, setDraft] = useState(other);
  const [last, setLast] = useState(other);
  if (last !== other) {
    setLast(other); // Back, or a link
    setDraft(other);
  }
  const found = useOnText(node, other);
  const data = found.data?.target === node && other !== '' ? found.data : null;
  return (
    <section className="component-section" data-testid="other-text">
      <h3>
        On any text <span className="faint">without edits</span>{' '}
        {found.busy ? <Status kind="component-text" analysis={found} timed={false} /> : null}
      </h3>
      <form
        className="component-other"
        onSubmit={(event) => {
          event.preventDefault();
          readText(draft);
        }}
      >
        <textarea
          aria-label={`A text to read ${node} in`}
          placeholder="Type a text, and press Enter"
          data-testid="other-text-field"
          rows={2}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            readText(draft);
          }}
        />
        <button type="submit" disabled={draft === '' || draft === other} data-testid="read-text">
          Read it
        </button>
      </form>
      {other === '' ? null : (
        <ErrorNote ofNode error={found.error} retry={found.retry} stale={data !== null} />
      )}
      {data ? (
        <div className={found.current ? '' : 'stale'}>
          <ActivationText data={data} plain />
        </div>
      ) : null}
    </section>
  );
}
