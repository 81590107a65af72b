/** Which heads, rows of W_O and neurons the flow graph picks out: by number, by share, by name. */
import { useState } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Check, Option } from '../../shared/parts/Choice';
import { Icon, Segments } from '../../shared/parts/parts';
import { formatTarget, isFlowName, parseTarget } from '../../shared/text/address';
import type { Flow } from './flowState';
import { setFlow, useFlowSpec } from './flowing';

export function shownWords(flow: Flow, heads: number): string {
  const also = flow.include.length > 0 ? ` + ${flow.include.length} by hand` : '';
  if (flow.choice === 'hand') return `${flow.include.length} by hand`;
  if (flow.choice === 'share') return `from ${Math.round(flow.threshold * 1000) / 10} %${also}`;
  const some = flow.n_heads > 0 && flow.n_heads < heads;
  return `${some ? '' : 'all '}${some ? flow.n_heads : heads} heads · ${flow.top_neurons + flow.bottom_neurons} neurons${also}`;
}

interface ShownProps {
  model: ModelInfo;
  layers: readonly number[];
}

export function ShownMenu({ model, layers }: ShownProps) {
  const flow = useFlowSpec();
  const choose = (choice: Flow['choice']) => () => setFlow({ choice });
  return (
    <>
      <h3>Which heads and neurons are shown</h3>
      {model.attached.length > 0 ? (
        <Check
          name="latents"
          checked={flow.latents}
          onChange={() => setFlow({ latents: !flow.latents })}
          note="Of attached autoencoders, in place of the neurons, or rows of W_O, of what they take apart."
        >
          Latents
        </Check>
      ) : null}
      <Option
        group="choice"
        value="count"
        checked={flow.choice === 'count'}
        onChange={choose('count')}
        note="Those that write most."
      >
        So many
      </Option>
      <Option
        group="choice"
        value="share"
        checked={flow.choice === 'share'}
        onChange={choose('share')}
        note="All that write at least this much: ‖write‖ as a share of ‖all that is added‖."
      >
        From a share on
      </Option>
      <Option
        group="choice"
        value="hand"
        checked={flow.choice === 'hand'}
        onChange={choose('hand')}
        note="Only those that are named below."
      >
        By hand
      </Option>
      <div className="flow-counts">
        {flow.choice === 'count' ? (
          <>
            <Count name="n_heads" label="heads" most={model.n_heads} zero="all" />
            <Count
              name="top_neurons"
              label={`neurons, rows of W_O${model.attached.length > 0 ? ', latents' : ''}: strongest`}
              most={model.d_mlp}
            />
            <Count name="bottom_neurons" label="… most negative" most={model.d_mlp} />
          </>
        ) : null}
        {flow.choice === 'share' ? <Threshold /> : null}
        <Count name="values_per_head" label="positions for each head" most={999} least={1} />
      </div>
      <ByHand layers={layers} />
    </>
  );
}

interface CountProps {
  name: 'n_heads' | 'values_per_head' | 'top_neurons' | 'bottom_neurons';
  label: string;
  most: number;
  least?: number;
  /** What 0 means. */
  zero?: string;
}

/** A number that is taken over as it is typed, once it is one. */
function Count({ name, label, most, least = 0, zero }: CountProps) {
  const value = useFlowSpec()[name];
  const [draft, setDraft] = useState(String(value));
  const [from, setFrom] = useState(value);
  if (from !== value) {
    setFrom(value);
    setDraft(String(value));
  }
  const good = /^\d{1,3}$/.test(draft) && Number(draft) >= least;
  return (
    <label className="flow-count">
      <span>
        {label}
        {zero === undefined ? null : <span className="faint"> (0: {zero})</span>}
      </span>
      <input
        type="number"
        className="mono"
        min={least}
        max={Math.min(999, most)}
        value={draft}
        aria-invalid={!good}
        data-testid={`flow-${name}`}
        onChange={(event) => {
          setDraft(event.target.value);
          const typed = event.target.value;
          if (/^\d{1,3}$/.test(typed) && Number(typed) >= least)
            setFlow({ [name]: Number(typed) }, 'replace');
        }}
      />
    </label>
  );
}

const SHARES = [0.02, 0.05, 0.1, 0.2, 0.5] as const;

function Threshold() {
  const { threshold } = useFlowSpec();
  const values = SHARES.some((share) => share === threshold) ? SHARES : [...SHARES, threshold];
  return (
    <Segments
      name="threshold"
      label="Least share"
      value={String(threshold)}
      options={values.map(
        (share) => [String(share), `${Math.round(share * 1000) / 10} %`] as const,
      )}
      onChange={(value) => setFlow({ threshold: Number(value) })}
    />
  );
}

/** Heads, neurons and rows by their names, beside the others or alone. */
function ByHand({ layers }: { layers: readonly number[] }) {
  const { include, choice } = useFlowSpec();
  const [draft, setDraft] = useState('');
  const names = readNames(draft, layers);
  const bad = draft.trim() !== '' && names === null;
  return (
    <form
      className="flow-hand menu-foot"
      onSubmit={(event) => {
        event.preventDefault();
        if (!names) return;
        setFlow({ include: [...new Set([...include, ...names])] });
        setDraft('');
      }}
    >
      <label className="field-name" htmlFor="flow-hand">
        {choice === 'hand' ? 'Shown' : 'Always shown too'}
      </label>
      {include.length > 0 ? (
        <ul className="flow-names">
          {include.map((name) => (
            <li key={name}>
              <span className="mono">{name}</span>
              <button
                type="button"
                className="icon-button"
                aria-label={`No longer show ${name} by hand`}
                onClick={() => setFlow({ include: include.filter((other) => other !== name) })}
              >
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      ) : null}
      <div className="positions-field">
        <input
          id="flow-hand"
          className="mono"
          data-testid="flow-include"
          autoComplete="off"
          spellCheck={false}
          placeholder={`L${layers[0] ?? 0}.H3, L${layers[0] ?? 0}.N512`}
          aria-invalid={bad}
          aria-describedby="flow-hand-note"
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
        />
        <button type="submit" disabled={!names}>
          Add
        </button>
      </div>
      <p id="flow-hand-note" className={bad ? 'option-note problem' : 'option-note'}>
        {bad
          ? `Write heads, neurons or rows of the layers shown: L${layers[0] ?? 0}.H3, L${layers[0] ?? 0}.N512, L${layers[0] ?? 0}.z448.`
          : 'Or choose “Always show” in the menu of a box.'}
      </p>
    </form>
  );
}

/** "L14.H3, L14.z448": null where one of them is no head, neuron or row of W_O. */
function readNames(typed: string, layers: readonly number[]): string[] | null {
  const names = typed
    .split(/[,\s]+/)
    .filter(Boolean)
    .map((name) => {
      const target = parseTarget(name);
      if (target?.kind === 'head' && target.query === undefined)
        return `L${target.layer}.H${target.head}`;
      if (target?.kind === 'neuron') return `L${target.layer}.N${target.neuron}`;
      if (target?.kind === 'latent' && target.query === undefined) return formatTarget(target);
      return /^L\d+\.z\d+$/.test(name) && isFlowName(name) ? name : '';
    });
  const there = names.every((name) => layers.some((layer) => name.startsWith(`L${layer}.`)));
  return names.length > 0 && there ? names : null;
}
