/** What the component does, in words, beside what chance would give; asked for by a button. */
import { useState } from 'react';
import { useCorpora, useExplanation, type Explanation } from '../../shared/api/corpora';
import { count } from '../../draw/format';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { saveJson } from '../../shared/parts/save';
import { Status } from '../../shared/parts/ViewBar';
import { useSpec } from '../../shared/state/store';
import { scoresOf } from './explained';

export function InWords({ node }: { node: string }) {
  const spec = useSpec();
  const corpora = useCorpora().data?.items ?? null;
  const [asked, setAsked] = useState(false);
  const about = corpora?.find(({ name }) => name === spec.corpus.name) ?? corpora?.[0] ?? null;
  const found = useExplanation(spec, asked ? about : null, node);
  const item = found.data?.items.find((one) => one.node === node) ?? null;
  if (!about) return null; // the section below says how to build one
  return (
    <div data-testid="in-words">
      <p>
        {asked ? (
          <Status kind="explain" analysis={found} timed={false} />
        ) : (
          <button type="button" data-testid="explain" onClick={() => setAsked(true)}>
            Say it in words
          </button>
        )}{' '}
        {asked ? null : (
          <span className="faint">
            from sentences of {about.name}; no language model takes part
          </span>
        )}
      </p>
      <ErrorNote ofNode error={found.error} retry={found.retry} stale={false} />
      {found.data && item ? <Words item={item} whole={found.data} /> : null}
    </div>
  );
}

function Words({ item, whole }: { item: Explanation; whole: { n_held_out: number } }) {
  return (
    <div className="component-words">
      <p>
        <strong className={item.supported ? undefined : 'faint'} data-testid="label">
          {item.label ?? 'No label'}
        </strong>{' '}
        {item.reason ? <span data-testid="reason">{item.reason}</span> : null}
      </p>
      <dl>
        {scoresOf(item).map(([name, said, title]) => (
          <div key={name} title={title}>
            <dt className="faint">{name}</dt>
            <dd className="number">{said}</dd>
          </div>
        ))}
      </dl>
      {item.others.length > 0 ? (
        <p className="faint">
          Next best: {item.others.map(({ label, f1 }) => `${label} (${f1.toFixed(2)})`).join('; ')}
        </p>
      ) : null}
      <p className="faint">
        Judged on {count(whole.n_held_out, 'token')} of sentences that it was not made from.{' '}
        <button
          type="button"
          className="link"
          onClick={() => saveJson(`${item.node}-label.json`, item)}
        >
          Save as JSON
        </button>
      </p>
    </div>
  );
}
