/** A node's own name and note, kept in the workspace, and the form that gives them. */
import { useState } from 'react';
import { nameNode, sentence, useNodeName } from '../api/workspace';
import { Icon } from './parts';
import { PopOver } from './PopOver';

export function NameEditor({ node }: { node: string }) {
  const named = useNodeName(node);
  return (
    <div className="own-name">
      {named?.name ? <bdi className="node-name">{named.name}</bdi> : null}
      <PopOver
        className="edit-popover"
        label={`Name of ${node}`}
        align="start"
        button={{
          className: named ? 'icon-button' : 'link',
          'data-testid': 'name-node',
          'aria-label': named ? `Change the name and note of ${node}` : `Give ${node} a name`,
          children: named ? <Icon name="edit" /> : 'Give it a name',
        }}
      >
        {(close) => (
          <NameForm
            key={`${named?.name}\n${named?.note}`}
            node={node}
            name={named?.name ?? ''}
            note={named?.note ?? ''}
            done={close}
          />
        )}
      </PopOver>
      {named?.note ? <p className="own-note faint">{named.note}</p> : null}
    </div>
  );
}

interface FormProps {
  node: string;
  name: string;
  note: string;
  done: () => void;
}

function NameForm({ node, name, note, done }: FormProps) {
  const [draft, setDraft] = useState({ name, note });
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const keep = (next: { name: string; note: string }) => {
    setBusy(true);
    nameNode(node, next.name.trim(), next.note.trim())
      .then(done)
      .catch((failure: unknown) => {
        setProblem(sentence(failure));
        setBusy(false);
      });
  };
  return (
    <form
      className="edit-form"
      data-testid="name-form"
      onSubmit={(event) => {
        event.preventDefault();
        keep(draft);
      }}
    >
      <div className="field">
        <label htmlFor="own-name">Your name for {node}</label>
        <input
          id="own-name"
          data-testid="own-name"
          maxLength={500}
          autoComplete="off"
          value={draft.name}
          onChange={(event) => setDraft({ ...draft, name: event.target.value })}
        />
      </div>
      <div className="field">
        <label htmlFor="own-note">Note</label>
        <textarea
          id="own-note"
          rows={3}
          value={draft.note}
          onChange={(event) => setDraft({ ...draft, note: event.target.value })}
        />
        <span className="faint">Kept on this machine; shown wherever the node appears.</span>
      </div>
      {problem ? (
        <p className="problem" role="alert">
          {problem}
        </p>
      ) : null}
      <div className="form-actions">
        {name || note ? (
          <button type="button" disabled={busy} onClick={() => keep({ name: '', note: '' })}>
            Forget
          </button>
        ) : null}
        <button type="submit" className="primary" data-testid="keep-name" disabled={busy}>
          Keep
        </button>
      </div>
    </form>
  );
}
