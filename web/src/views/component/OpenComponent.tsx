/** A page of no component: how they are named, and a way to one. */
import { useState } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { checkTarget, formatTarget, hasPage, isOfEncoder } from '../../shared/text/address';
import { change } from '../../shared/state/store';

export function OpenComponent({
  model,
  problem,
}: {
  model: ModelInfo | null;
  problem: string | null;
}) {
  const [text, setText] = useState('');
  const checked = model && text !== '' ? checkTarget(text, model) : null;
  const target = checked && 'target' in checked ? checked.target : null;
  const wrong = checked && 'problem' in checked ? checked.problem : null;
  const page = target !== null && hasPage(target);
  const ofEncoder = target !== null && isOfEncoder(target);
  return (
    <section className="welcome" data-testid="open-component">
      <h2>Which component?</h2>
      {problem ? (
        <p className="problem" role="alert">
          {problem}
        </p>
      ) : null}
      <p>
        A head, a neuron, the attention or the feed-forward of a layer: each has a page with what it
        writes, what makes it fire, and what it does on the prompt that runs.
      </p>
      <form
        className="open-neuron"
        onSubmit={(event) => {
          event.preventDefault();
          if (page) change({ node: formatTarget(target) });
        }}
      >
        <label htmlFor="open-component">Name</label>
        <input
          id="open-component"
          className="mono"
          placeholder="L9.H6, L5.mlp"
          autoComplete="off"
          spellCheck={false}
          aria-invalid={wrong !== null}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="primary" disabled={!page}>
          Open
        </button>
      </form>
      {wrong ? <p className="problem">{wrong}</p> : null}
      {ofEncoder ? (
        <p className="problem" data-testid="of-encoder">
          Nodes of the encoder have no page: what they write reaches the logits through the
          decoder’s attention only. They can be edited, above, and their attention is shown.
        </p>
      ) : null}
    </section>
  );
}
