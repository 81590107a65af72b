/** What is changed while the model runs: always in sight, in the order it is applied. */
import { Popover } from 'radix-ui';
import { useState } from 'react';
import { problemAt } from '../api/client';
import type { ModelInfo } from '../api/queries';
import { checkTarget, describeTarget, formatTarget, parseTarget } from '../core/address';
import { describeOperation, edit, formatPositions, type Edit } from '../core/edits';
import { addEdit, change, removeEdit, replaceEdit, useSpec } from '../state/store';
import { useProblems } from '../state/problems';
import { EditForm } from './EditForm';
import { Icon } from './parts';

export function EditsTray({ model }: { model: ModelInfo | null }) {
  const { edits } = useSpec();
  return (
    <section className="edits-tray" aria-label="Edits" data-testid="edits">
      <h2>Edits</h2>
      {edits.length === 0 ? (
        <p className="faint edits-none">none: the model runs as it is</p>
      ) : null}
      <ul>
        {edits.map((made, index) => (
          // Cards have no identity of their own: two equal edits may stand side by side.
          <EditCard key={index} made={made} index={index} model={model} />
        ))}
      </ul>
      {model ? <AddEdit model={model} /> : null}
      {edits.length > 1 ? (
        <button type="button" className="link" onClick={() => change({ edits: [] })}>
          Remove all
        </button>
      ) : null}
    </section>
  );
}

function EditCard({ made, index, model }: { made: Edit; index: number; model: ModelInfo | null }) {
  const [open, setOpen] = useState(false);
  const problem = useProblems((error) => problemAt(error, `edits[${index}]`));
  const target = parseTarget(made.target);
  return (
    <li
      className={`edit-card ${made.enabled ? '' : 'off'} ${problem ? 'wrong' : ''}`}
      data-testid={`edit-${index}`}
    >
      <button
        type="button"
        role="switch"
        aria-checked={made.enabled}
        className="switch"
        aria-label={`${made.target} on`}
        title={made.enabled ? 'On: click to leave it out of the run' : 'Off: click to apply it'}
        onClick={() => replaceEdit(index, { ...made, enabled: !made.enabled })}
      >
        <span />
      </button>
      <Popover.Root open={open} onOpenChange={setOpen}>
        <Popover.Trigger
          className="edit-body"
          disabled={!model}
          title={target ? `${describeTarget(target)}: click to change the edit` : 'Change'}
        >
          <strong className="mono">{made.target}</strong>
          <span className="edit-operation">{describeOperation(made)}</span>
          {made.stage === 'pre' ? <span className="faint">before activation</span> : null}
          <span className="faint">
            {made.positions ? `@ ${formatPositions(made.positions)}` : 'everywhere'}
          </span>
        </Popover.Trigger>
        {model ? (
          <EditPopover label="Change the edit">
            <EditForm
              model={model}
              initial={made}
              submit="Save"
              onSubmit={(changed) => {
                replaceEdit(index, changed);
                setOpen(false);
              }}
            />
          </EditPopover>
        ) : null}
      </Popover.Root>
      <button
        type="button"
        className="icon-button"
        aria-label={`Remove the edit of ${made.target}`}
        onClick={() => removeEdit(index)}
      >
        <Icon name="close" />
      </button>
      {problem ? (
        <p className="problem edit-problem" role="alert">
          {problem}
        </p>
      ) : null}
    </li>
  );
}

function AddEdit({ model }: { model: ModelInfo }) {
  const [open, setOpen] = useState(false);
  return (
    <div className="add-edit">
      <QuickAdd model={model} />
      <Popover.Root open={open} onOpenChange={setOpen}>
        <Popover.Trigger className="quiet" data-testid="add-edit">
          <Icon name="plus" /> Edit …
        </Popover.Trigger>
        <EditPopover label="Add an edit">
          <EditForm
            model={model}
            initial={edit('L0.H0')}
            submit="Add"
            onSubmit={(made) => {
              addEdit(made);
              setOpen(false);
            }}
          />
        </EditPopover>
      </Popover.Root>
    </div>
  );
}

/** A node's name and Enter: zero it. The commonest question takes two seconds. */
function QuickAdd({ model }: { model: ModelInfo }) {
  const [text, setText] = useState('');
  const checked = text.trim() === '' ? null : checkTarget(text, model);
  const problem = checked && 'problem' in checked ? checked.problem : null;
  const target = checked && 'target' in checked ? checked.target : null;
  const inspectable = target !== null && target.kind !== 'site' && !('query' in target);
  return (
    <form
      className="quick-add"
      onSubmit={(event) => {
        event.preventDefault();
        if (!target) return;
        addEdit(edit(formatTarget(target)));
        setText('');
      }}
    >
      <input
        className="mono"
        data-testid="quick-target"
        aria-label="Head, neuron or layer part"
        aria-invalid={problem !== null}
        aria-describedby="quick-problem"
        placeholder="L9.H6, L12.N512"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button
        type="submit"
        data-testid="quick-zero"
        disabled={!target}
        title="Set it to zero at every position"
      >
        Zero
      </button>
      <button
        type="button"
        data-testid="quick-inspect"
        disabled={!inspectable}
        title="Open it in the drawer"
        onClick={() => target && change({ node: formatTarget(target) })}
      >
        Inspect
      </button>
      <span id="quick-problem" className="problem quick-problem" role="status">
        {text.length > 1 ? problem : null}
      </span>
    </form>
  );
}

export function EditPopover({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <Popover.Portal>
      <Popover.Content
        className="popover edit-popover"
        sideOffset={4}
        collisionPadding={8}
        aria-label={label}
      >
        {children}
      </Popover.Content>
    </Popover.Portal>
  );
}
