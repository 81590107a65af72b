/** What can be done to a node, wherever it is named: switch it with one click, or change it in full. */
import type { ModelInfo } from '../api/queries';
import { describeTarget, hasPage, parseTarget } from '../text/address';
import { describeOperation, edit, OPERATION_HELP, whereWords, type Edit } from '../text/edits';
import { editsOf, switchOf, type Switch } from '../text/editList';
import { addEdit, change, removeEdit, replaceEdit, switchNode, useSpec } from '../state/store';
import { EditForm } from './EditForm';
import { OnOff } from './EditParts';
import { NodeName } from './NodeName';
import { Icon } from './parts';
import { PopOver } from './PopOver';
import { copyText } from './save';

interface Props {
  node: string;
  model: ModelInfo | null;
  tabbable?: boolean;
}

export function NodeActions({ node, model, tabbable = true }: Props) {
  const neuron = parseTarget(node)?.kind === 'neuron';
  const tab = tabbable ? 0 : -1;
  return (
    <span className="node-actions">
      <SwitchButton node={node} operation="zero" label="off" tab={tab} />
      {neuron ? <SwitchButton node={node} operation="on" label="on" tab={tab} /> : null}
      <NodeEditor node={node} model={model} tab={tab} />
    </span>
  );
}

interface SwitchProps {
  node: string;
  operation: Switch;
  label: string;
  tab?: number;
}

function SwitchButton({ node, operation, label, tab = 0 }: SwitchProps) {
  const { edits } = useSpec();
  const pressed = switchOf(edits, node) === operation;
  return (
    <button
      type="button"
      className="tiny"
      tabIndex={tab}
      aria-pressed={pressed}
      aria-label={`${node} ${label}`}
      data-testid={`${label.replaceAll(' ', '-').toLowerCase()}-${node}`}
      title={`${OPERATION_HELP[operation]}${pressed ? ' Click to take it back.' : ''}`}
      onClick={() => switchNode(node, operation)}
    >
      {label}
    </button>
  );
}

function NodeEditor({ node, model, tab }: { node: string; model: ModelInfo | null; tab: number }) {
  return (
    <PopOver
      className="edit-popover"
      label={`Change ${node}`}
      button={{
        className: 'tiny more',
        tabIndex: tab,
        disabled: !model,
        'aria-label': `Change ${node}`,
        title: `${node}: scale, set, add, positions, LM-Debugger’s on and off (e)`,
        'data-testid': `more-${node}`,
        children: '⋯',
      }}
    >
      {(close) => (model ? <Inside node={node} model={model} close={close} /> : null)}
    </PopOver>
  );
}

function Inside({ node, model, close }: { node: string; model: ModelInfo; close: () => void }) {
  const target = parseTarget(node);
  const neuron = target?.kind === 'neuron';
  return (
    <div className="node-editor" data-testid="node-editor">
      <div className="node-head">
        <h3 className="mono">{node}</h3> <NodeName node={node} />
        <span className="faint">{target ? describeTarget(target) : null}</span>
      </div>
      <div className="node-switches">
        <SwitchButton node={node} operation="zero" label="off" />
        {neuron ? <SwitchButton node={node} operation="on" label="on" /> : null}
        <Quick node={node} factor={2} />
        <Quick node={node} factor={-1} />
        {neuron ? (
          <>
            <SwitchButton node={node} operation="lmd_off" label="LM-Debugger off" />
            <SwitchButton node={node} operation="lmd_on" label="LM-Debugger on" />
          </>
        ) : null}
      </div>
      <Standing node={node} />
      <EditForm
        model={model}
        initial={edit(node, 'scale', 2)}
        fixed
        submit="Add this edit"
        onSubmit={(made) => {
          addEdit(made);
          close();
        }}
      />
      <div className="node-foot">
        {target && hasPage(target) ? (
          <button type="button" className="link" onClick={() => change({ node })}>
            What it writes
          </button>
        ) : null}
        <button type="button" className="link" onClick={() => void copyText(node, node)}>
          Copy name
        </button>
      </div>
    </div>
  );
}

function Quick({ node, factor }: { node: string; factor: number }) {
  const made = edit(node, 'scale', factor);
  const label = describeOperation(made);
  return (
    <button
      type="button"
      className="tiny"
      title={`${OPERATION_HELP.scale} Here: ${label}, at every position.`}
      onClick={() => addEdit(made)}
    >
      {label}
    </button>
  );
}

/** The edits of this node that are in the tray. */
function Standing({ node }: { node: string }) {
  const { edits } = useSpec();
  const found = editsOf(edits, node);
  if (found.length === 0) return null;
  return (
    <ul className="standing" aria-label={`Edits of ${node}`}>
      {found.map(({ made, index }) => (
        <li key={index} className={made.enabled ? '' : 'faint'}>
          <OnOff made={made} onChange={(changed) => replaceEdit(index, changed)} />
          <span>{describeOperation(made)}</span> <span className="faint">{placeOf(made)}</span>
          <button
            type="button"
            className="icon-button"
            aria-label={`Remove: ${describeOperation(made)}`}
            onClick={() => removeEdit(index)}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Where an edit acts, in a few letters. */
export function placeOf(made: Edit): string {
  const where = whereWords(made);
  return made.stage === 'pre' ? `${where}, before activation` : where;
}
