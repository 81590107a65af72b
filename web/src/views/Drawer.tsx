/** One component, wherever it was clicked: what it writes, what that promotes, when it is active. */
import { Popover } from 'radix-ui';
import { useState } from 'react';
import type { Schemas } from '../api/client';
import { useComponent, type Analysis, type ModelInfo } from '../api/queries';
import { EditForm } from '../components/EditForm';
import { EditPopover } from '../components/EditsTray';
import { Formula } from '../components/Formula';
import { Icon, SideMark, SignedBar, Token } from '../components/parts';
import { describeTarget, formatTarget, parseTarget, type Target } from '../core/address';
import { edit, isPlainAblation } from '../core/edits';
import { quantity, signed } from '../core/format';
import { addEdit, change, toggleAblation, useSpec } from '../state/store';
import { ErrorNote } from './ErrorNote';
import { useExperiment, useMode } from './experiment';
import { PositionList } from './PositionList';
import { Status } from './ViewBar';

type Component = Schemas['ComponentResponse'];

export function Drawer({ model }: { model: ModelInfo | null }) {
  const spec = useSpec();
  const experiment = useExperiment(model);
  const side = useMode() === 'edited' ? 'edited' : 'baseline';
  const analysis = useComponent(spec, experiment.position, side);
  const target = spec.node === null ? null : parseTarget(spec.node);
  if (!target || spec.node === null || spec.prompt === '') return null;
  const data = analysis.data?.target === spec.node ? analysis.data : null;
  return (
    <aside className="drawer" aria-label={`Component ${spec.node}`} data-testid="drawer">
      <header>
        <h2 className="mono">{spec.node}</h2>
        <p>{describeTarget(target)}</p>
        <button
          type="button"
          className="icon-button"
          aria-label="Close the drawer"
          data-testid="drawer-close"
          onClick={() => change({ node: null })}
        >
          <Icon name="close" />
        </button>
      </header>
      <Inside target={target} model={model} />
      <Actions node={spec.node} position={experiment.position} model={model} />
      <p className="drawer-status">
        {data && !analysis.busy ? (
          <WhichRun side={side} />
        ) : (
          <Status kind="component" analysis={analysis} waiting={experiment.waiting} timed={false} />
        )}
      </p>
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={data !== null} />
      {data ? <Body data={data} analysis={analysis} /> : null}
    </aside>
  );
}

/** Which of the two runs is read; the choice is the one of all views. */
function WhichRun({ side }: { side: 'baseline' | 'edited' }) {
  const { edits } = useSpec();
  if (!edits.some((made) => made.enabled)) return null;
  return (
    <>
      <SideMark side={side} /> read in the {side} run{' '}
      <button
        type="button"
        className="link"
        onClick={() => change({ mode: side === 'edited' ? 'difference' : 'edited' })}
      >
        {side === 'edited' ? 'read the baseline' : 'read the edited run'}
      </button>
    </>
  );
}

/** From a layer's part to one of its heads or neurons, and back. */
function Inside({ target, model }: { target: Target; model: ModelInfo | null }) {
  const [text, setText] = useState('');
  if (target.kind === 'head' || target.kind === 'neuron') {
    const whole = `L${target.layer}.${target.kind === 'head' ? 'attn' : 'mlp'}`;
    return (
      <p className="inside">
        part of{' '}
        <button type="button" className="link mono" onClick={() => change({ node: whole })}>
          {whole}
        </button>
      </p>
    );
  }
  if ((target.kind !== 'attn' && target.kind !== 'mlp') || !model) return null;
  const heads = target.kind === 'attn';
  const most = heads ? model.n_heads : model.d_mlp;
  const good = /^\d+$/.test(text) && Number(text) < most;
  if (heads && most <= 16) {
    return (
      <p className="inside">
        heads{' '}
        {Array.from({ length: most }, (_, head) => (
          <button
            key={head}
            type="button"
            className="link mono"
            onClick={() => change({ node: `L${target.layer}.H${head}` })}
          >
            H{head}
          </button>
        ))}
      </p>
    );
  }
  return (
    <form
      className="inside"
      onSubmit={(event) => {
        event.preventDefault();
        if (good) change({ node: `L${target.layer}.${heads ? 'H' : 'N'}${Number(text)}` });
      }}
    >
      <label htmlFor="inside">{heads ? 'head' : 'neuron'}</label>
      <input
        id="inside"
        className="mono"
        inputMode="numeric"
        placeholder={`0–${most - 1}`}
        aria-invalid={text !== '' && !good}
        value={text}
        onChange={(event) => setText(event.target.value.trim())}
      />
      <button type="submit" disabled={!good}>
        Open
      </button>
    </form>
  );
}

function Actions({
  node,
  position,
  model,
}: {
  node: string;
  position: number | null;
  model: ModelInfo | null;
}) {
  const { edits } = useSpec();
  const [open, setOpen] = useState(false);
  const zeroed = edits.some((made) => isPlainAblation(made, node));
  return (
    <div className="drawer-actions">
      <button
        type="button"
        aria-pressed={zeroed}
        data-testid="drawer-zero"
        title="Set to zero at every position (x)"
        onClick={() => toggleAblation(node)}
      >
        {zeroed ? 'Zeroed' : 'Zero it'}
      </button>
      <button
        type="button"
        data-testid="drawer-zero-here"
        disabled={position === null}
        onClick={() => position !== null && addEdit({ ...edit(node), positions: [position] })}
      >
        Zero at {position ?? '…'}
      </button>
      <button type="button" onClick={() => addEdit(edit(node, 'scale', 2))}>
        Double
      </button>
      {model ? (
        <Popover.Root open={open} onOpenChange={setOpen}>
          <Popover.Trigger data-testid="drawer-edit">Edit …</Popover.Trigger>
          <EditPopover label="Add an edit">
            <EditForm
              key={node}
              model={model}
              initial={edit(formatTarget(parseTarget(node) ?? { kind: 'embed' }))}
              submit="Add"
              onSubmit={(made) => {
                addEdit(made);
                setOpen(false);
              }}
            />
          </EditPopover>
        </Popover.Root>
      ) : null}
    </div>
  );
}

function Body({ data, analysis }: { data: Component; analysis: Analysis<Component> }) {
  const share = data.resid_norm > 0 ? data.write_norm / data.resid_norm : 0;
  const here = data.tokens[data.position];
  return (
    <div className={analysis.current ? '' : 'stale'} aria-busy={analysis.busy}>
      <section className="drawer-section">
        <h3>
          What it writes at {here ? <Token token={here} /> : null}{' '}
          <span className="faint">position {data.position}</span>
          <ComponentFormula data={data} />
        </h3>
        <p className="norms">
          norm <span className="number">{quantity(data.write_norm)}</span>, residual stream{' '}
          <span className="number">{quantity(data.resid_norm)}</span>
          <span className="faint"> ({(share * 100).toFixed(1)} %)</span>
        </p>
        {data.write_norm === 0 ? (
          <p>
            It writes nothing here: in this run it is zero, so it promotes and suppresses nothing.
          </p>
        ) : (
          <div className="effects">
            <Effects title="promotes" effects={data.promotes} data={data} />
            <Effects title="suppresses" effects={data.suppresses} data={data} />
          </div>
        )}
      </section>
      <section className="drawer-section">
        <h3>On this prompt</h3>
        <PositionList data={data} />
      </section>
    </div>
  );
}

function Effects({
  title,
  effects,
  data,
}: {
  title: string;
  effects: Schemas['TokenEffect'][];
  data: Component;
}) {
  const most = Math.max(
    ...[...data.promotes, ...data.suppresses].map((effect) => Math.abs(effect.logit)),
    1e-9,
  );
  return (
    <table className="effect-list" data-testid={title}>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" className="visual">
            <span className="visually-hidden">size</span>
          </th>
          <th scope="col">logit</th>
        </tr>
      </thead>
      <tbody>
        {effects.map((effect) => (
          <tr key={effect.token.id}>
            <th scope="row">
              <Token token={effect.token} />
            </th>
            <td className="visual">
              <SignedBar share={effect.logit / most} />
            </td>
            <td className="number" title={String(effect.logit)}>
              {signed(effect.logit, 2)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ComponentFormula({ data }: { data: Component }) {
  const best = data.promotes[0];
  return (
    <Formula
      title="How a component is read"
      lines={[
        {
          name: 'effect on a logit',
          formula: 'W_U[t] · ( g ⊙ write ) / scale_final',
          ...(best ? { value: `${best.logit.toFixed(4)} for ${best.token.label}` } : {}),
          note: 'What the component adds to the residual stream at this position, through the final norm with its scale held at this run’s value. The direct effect only: not what later layers make of it.',
        },
        {
          name: 'norm of the write',
          formula: '‖ write ‖',
          value: data.write_norm.toPrecision(5),
          note: `Beside ‖ residual stream ‖ = ${data.resid_norm.toPrecision(5)}.`,
        },
        ...(data.kind === 'neuron'
          ? [
              {
                name: 'activation',
                formula: 'act( x · w_in ) (· gate)',
                note: 'The number that the neuron’s value vector is multiplied by.',
              },
            ]
          : []),
        ...(data.attends_to
          ? [
              {
                name: 'attention',
                formula: 'softmax( q · kᵀ / √d )',
                note: 'The row of the pattern at the chosen position: how much it takes from each token. Sums to 1.',
              },
            ]
          : []),
      ]}
    />
  );
}
