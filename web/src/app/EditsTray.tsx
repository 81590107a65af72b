/** What is changed while the model runs: always in sight, in the order it is applied. */
import { useState } from 'react';
import { problemAt } from '../shared/api/client';
import type { ModelInfo } from '../shared/api/queries';
import {
  checkTarget,
  describeFlow,
  describeTarget,
  flowLayer,
  formatTarget,
  hasPage,
  isOfEncoder,
  parseTarget,
} from '../shared/text/address';
import {
  describeOperation,
  edit,
  formatPositions,
  OPERATION_HELP,
  whereWords,
  type Edit,
} from '../shared/text/edits';
import { showInFlow } from '../views/flow/flowing';
import { addEdit, change, removeEdit, replaceEdit, useSpec } from '../shared/state/store';
import { useProblems } from '../shared/state/problems';
import { OnOff } from '../shared/parts/EditParts';
import { EditForm } from '../shared/parts/EditForm';
import { NodeName } from '../shared/parts/NodeName';
import { Icon } from '../shared/parts/parts';
import { PopOver } from '../shared/parts/PopOver';

export function EditsTray({ model }: { model: ModelInfo | null }) {
  const { edits } = useSpec();
  return (
    <section className="edits-tray" aria-label="Edits" data-testid="edits">
      <h2>Edits</h2>
      {edits.length === 0 ? (
        <p className="faint edits-none">none: the model runs as it is</p>
      ) : null}
      {edits.length > 1 ? <AllOnOff edits={edits} /> : null}
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

/** All at once: what the edits do together, and the model as it is. */
function AllOnOff({ edits }: { edits: readonly Edit[] }) {
  const some = edits.some((made) => made.enabled);
  return (
    <button
      type="button"
      className="link"
      data-testid="all-edits"
      title="Hold Space to see the baseline for a moment"
      onClick={() => change({ edits: edits.map((made) => ({ ...made, enabled: !some })) })}
    >
      {some ? 'All out' : 'All in'}
    </button>
  );
}

function EditCard({ made, index, model }: { made: Edit; index: number; model: ModelInfo | null }) {
  const problem = useProblems((error) => problemAt(error, `edits[${index}]`));
  const cut = made.operation === 'cut';
  return (
    <li
      className={`edit-card ${made.enabled ? '' : 'off'} ${problem ? 'wrong' : ''}`}
      data-testid={`edit-${index}`}
    >
      <OnOff made={made} onChange={(changed) => replaceEdit(index, changed)} />
      <PopOver
        className="edit-popover"
        label={cut ? 'What is cut' : 'Change the edit'}
        button={{
          className: 'edit-body',
          disabled: !model,
          title: cut ? describeFlow(made.target) : titleOf(made.target),
          children: <Said made={made} />,
        }}
      >
        {(close) =>
          cut ? (
            <CutNote made={made} close={close} />
          ) : model ? (
            <EditForm
              model={model}
              initial={made}
              submit="Save"
              onSubmit={(changed) => {
                replaceEdit(index, changed);
                close();
              }}
            />
          ) : null
        }
      </PopOver>
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

/** What an edit does, in a few words. */
function Said({ made }: { made: Edit }) {
  return (
    <>
      <strong className="mono">{made.target}</strong>
      <NodeName node={made.target} />
      <span className="edit-operation">{describeOperation(made)}</span>
      {made.stage === 'pre' ? <span className="faint">before activation</span> : null}
      <span className="faint">{whereWords(made)}</span>
    </>
  );
}

function titleOf(name: string): string {
  const target = parseTarget(name);
  return target ? `${describeTarget(target)}: click to change the edit` : 'Change';
}

/** A cut has nothing to set: it is made, and taken back, where the graph is drawn. */
function CutNote({ made, close }: { made: Edit; close: () => void }) {
  const layer = flowLayer(made.target);
  return (
    <div className="cut-note" data-testid="cut-note">
      <h3 className="mono">{made.target}</h3>
      <p>
        Cut {made.positions ? `at position ${formatPositions(made.positions)}` : null}:{' '}
        {describeFlow(made.target)}.
      </p>
      <p className="faint">{OPERATION_HELP.cut}</p>
      <button
        type="button"
        className="link"
        onClick={() => {
          close();
          if (layer !== null) showInFlow(made.target, layer, made.positions?.[0] ?? null);
        }}
      >
        Show it in the flow graph
      </button>
    </div>
  );
}

/** A node's name, then what to do with it: switching it off or on takes two seconds. */
function AddEdit({ model }: { model: ModelInfo }) {
  const [text, setText] = useState('');
  const checked = text.trim() === '' ? null : checkTarget(text, model);
  const problem = checked && 'problem' in checked ? checked.problem : null;
  const target = checked && 'target' in checked ? checked.target : null;
  const inspectable = target !== null && hasPage(target);
  const add = (made: Edit) => {
    addEdit(made);
    setText('');
  };
  return (
    <form
      className="add-edit"
      onSubmit={(event) => {
        event.preventDefault();
        if (target) add(edit(formatTarget(target)));
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
      <button type="submit" data-testid="quick-zero" disabled={!target} title={OPERATION_HELP.zero}>
        Off
      </button>
      <button
        type="button"
        data-testid="quick-on"
        disabled={target?.kind !== 'neuron'}
        title={`Neurons. ${OPERATION_HELP.on}`}
        onClick={() => target && add(edit(formatTarget(target), 'on'))}
      >
        On
      </button>
      <button
        type="button"
        data-testid="quick-inspect"
        disabled={!inspectable}
        title={
          target && isOfEncoder(target)
            ? 'Nodes of the encoder have no page'
            : 'Open it in the drawer'
        }
        onClick={() => target && change({ node: formatTarget(target) })}
      >
        Inspect
      </button>
      <PopOver
        className="edit-popover"
        label="Add an edit"
        button={{
          className: 'quiet',
          'data-testid': 'add-edit',
          children: (
            <>
              <Icon name="plus" /> Edit …
            </>
          ),
        }}
      >
        {(close) => (
          <EditForm
            model={model}
            initial={edit(target ? formatTarget(target) : 'L0.H0')}
            submit="Add"
            onSubmit={(made) => {
              add(made);
              close();
            }}
          />
        )}
      </PopOver>
      <span id="quick-problem" className="problem quick-problem" role="status">
        {text.length > 1 ? problem : null}
      </span>
    </form>
  );
}
