/** What the component does, in words: labels that are kept, yours among them, and new ones by a button. */
import { useState } from 'react';
import { count } from '../../draw/format';
import type { Explanation } from '../../shared/api/corpora';
import { editLabel, useLabelsOf, type Label } from '../../shared/api/nodeLabels';
import { saveJson } from '../../shared/parts/save';
import { SayInWords } from '../../shared/parts/SayInWords';
import { fromWords, scoreWords } from '../../shared/text/nodeLabels';
import { scoresOf, writtenScores } from './explained';

export function InWords({ node }: { node: string }) {
  return (
    <div data-testid="in-words">
      <Kept node={node} />
      <SayInWords nodes={[node]} words="Say it in words">
        {(found) => {
          const item = found.items.find((one) => one.node === node);
          return item ? <Words item={item} whole={found} /> : null;
        }}
      </SayInWords>
    </div>
  );
}

// ------------------------------------------------------------------ what is kept

/** Yours first, and the machine's beside it. */
function Kept({ node }: { node: string }) {
  const labels = useLabelsOf(node);
  const [editing, setEditing] = useState(false);
  const own = labels.find(({ source }) => source === 'hand');
  return (
    <div className="component-labels" data-testid="kept-labels">
      <ul>
        {labels.map((label) => (
          <KeptLabel key={label.source} label={label} />
        ))}
      </ul>
      {editing ? (
        <LabelForm node={node} text={own?.text ?? ''} done={() => setEditing(false)} />
      ) : (
        <button
          type="button"
          className="link"
          data-testid="edit-label"
          onClick={() => setEditing(true)}
        >
          {own ? 'Change your label' : 'Label it yourself'}
        </button>
      )}
    </div>
  );
}

function KeptLabel({ label }: { label: Label }) {
  const scores = scoreWords(label);
  return (
    <li data-testid={`label-${label.source}`}>
      <bdi className={label.supported === false ? 'faint' : undefined}>{label.text}</bdi>{' '}
      <span className="faint" title={label.made}>
        {fromWords(label)}
        {scores ? `: ${scores}` : ''}
      </span>{' '}
      <button
        type="button"
        className="link"
        aria-label={`Forget “${label.text}”`}
        onClick={() => void editLabel(label.node, '', label.source).catch(() => undefined)}
      >
        Forget
      </button>
    </li>
  );
}

function LabelForm({ node, text, done }: { node: string; text: string; done: () => void }) {
  const [draft, setDraft] = useState(text);
  const [busy, setBusy] = useState(false);
  return (
    <form
      className="component-label-form"
      onSubmit={(event) => {
        event.preventDefault();
        setBusy(true);
        editLabel(node, draft.trim()).then(done, () => setBusy(false));
      }}
    >
      <input
        data-testid="own-label"
        aria-label={`What ${node} does, in your words`}
        maxLength={2000}
        autoComplete="off"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
      />{' '}
      <button type="submit" className="primary" data-testid="keep-label" disabled={busy}>
        Keep
      </button>{' '}
      <button type="button" className="link" onClick={done}>
        Leave
      </button>
    </form>
  );
}

// ------------------------------------------------------------------ what was found now

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
      {item.written ? <Written written={item.written} /> : null}
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

/** What a language model wrote, and its scores beside both nulls. */
function Written({ written }: { written: NonNullable<Explanation['written']> }) {
  return (
    <div data-testid="written">
      <p>
        <strong className={written.supported === false ? 'faint' : undefined}>
          <bdi>{written.text ?? 'No words'}</bdi>
        </strong>{' '}
        <span className="faint">
          by {written.by}
          {written.supported === false ? '; not supported: not above chance in all' : ''}
          {written.text !== null && written.judge === null ? '; nobody judged it' : ''}
        </span>{' '}
        {written.reason ? <span>{written.reason}</span> : null}
      </p>
      <dl>
        {writtenScores(written).map(([name, said, title]) => (
          <div key={name} title={title}>
            <dt className="faint">{name}</dt>
            <dd className="number">{said}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
