/** The choices behind the words of the attribution's quiet line. */
import { useState } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Check, Option } from '../../shared/parts/Choice';
import { Segments } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { count } from '../../draw/format';
import {
  NODE_KINDS,
  setAttribution,
  settled,
  useAttributionSpec,
  type Attribution,
  type NodeKind,
} from './attributionState';
import type { Comparison } from './query';

export function TargetMenu({ model }: { model: ModelInfo }) {
  const { target } = useSpec();
  if (model.labels.length > 0)
    return (
      <>
        <h3>What is explained</h3>
        <p className="option-note">
          The score of a label{target === '' ? ': of the one that scores highest' : ''},{' '}
          {model.labels_of === 'text'
            ? 'which the text has as a whole, at whatever token'
            : 'which the chosen token has'}
          . Choose it beside the prompt.
        </p>
      </>
    );
  return (
    <>
      <h3>What is explained</h3>
      <p className="option-note">
        {target === ''
          ? 'The model’s own most likely token at the chosen position. '
          : 'The logit of the target there; with a second token beside it, the difference of both. '}
        Type target and distractor beside the prompt: why this one and not that one? An objective as
        text is understood, too: <code>log_prob(&quot; Tokyo&quot;)</code>.
      </p>
    </>
  );
}

// ------------------------------------------------------------------ estimate

type Estimator = Attribution['estimator'];

export const ESTIMATORS: Readonly<Record<Estimator, readonly [name: string, note: string]>> = {
  best: [
    'What agreed best',
    'With measurement, here: integrated gradients against another prompt, else the gradient.',
  ],
  gradient: ['Gradient', 'Activation times gradient: one forward and one backward pass.'],
  integrated: [
    'Integrated gradients',
    'The mean gradient on the way from what it is compared with, branch by branch: the nodes of a branch then sum to what the branch does.',
  ],
  graddrop: [
    'GradDrop',
    'The mean size over layers of the effect with the gradient through one layer shut, with the plain estimate’s sign: ways that cancel are seen. A backward pass more for each layer.',
  ],
  relp: [
    'RelP',
    'Rules of relevance: norms held, activation functions proportional, gated products halved.',
  ],
};

const FROZEN: ReadonlyArray<readonly [Attribution['frozen'], string, string]> = [
  [
    'none',
    'No norm',
    'The model as it is: agreed best with measurement. Sums over a token have the norms behind branches held.',
  ],
  [
    'final',
    'The last norm',
    'Held as in Transformer Debugger: in the last layer, totals are direct effects.',
  ],
  ['all', 'Every norm', 'Each at the scale that it has in the run.'],
];

const AGAINST: Readonly<Record<string, readonly [string, string]>> = {
  zero: ['Zero', 'What the answer loses without the node.'],
  mean: [
    'Mean',
    'What it loses with the node’s mean in its place: over the prompt, or over the prompts below.',
  ],
  prompt: [
    'Another prompt',
    'What it loses with what the node is at the same position there, as in activation patching.',
  ],
};

export function EstimateMenu({ model, length }: { model: ModelInfo; length: number }) {
  const state = useAttributionSpec();
  return (
    <>
      <h3>Total effects are estimated by</h3>
      {(Object.keys(ESTIMATORS) as Estimator[]).map((estimator) => (
        <Option
          key={estimator}
          group="estimator"
          value={estimator}
          checked={state.estimator === estimator}
          onChange={() => setAttribution({ estimator })}
          note={ESTIMATORS[estimator][1]}
        >
          {ESTIMATORS[estimator][0]}
        </Option>
      ))}
      {settled(state) === 'integrated' ? <Steps layers={model.n_layers} length={length} /> : null}
      {state.estimator === 'relp' ? null : (
        <>
          <h3 className="menu-foot">Norms that are held</h3>
          {FROZEN.map(([frozen, name, note]) => (
            <Option
              key={frozen}
              group="frozen"
              value={frozen}
              checked={state.frozen === frozen}
              onChange={() => setAttribution({ frozen })}
              note={note}
            >
              {name}
            </Option>
          ))}
        </>
      )}
      <h3 className="menu-foot">Compared with</h3>
      {Object.entries(AGAINST).map(([against, [name, note]]) => (
        <Option
          key={against}
          group="reference"
          value={against}
          checked={state.against === against}
          disabled={against === 'prompt' && state.references.trim() === ''}
          onChange={() => setAttribution({ against: against as Attribution['against'] })}
          note={note}
        >
          {name}
        </Option>
      ))}
      <References />
      <div className="menu-foot">
        <Check
          name="pairs"
          checked={state.pairs}
          onChange={() => setAttribution({ pairs: !state.pairs })}
          note="One node for each query and key; without, one for each query. Pairs grow with the square of the prompt."
        >
          Heads by pair of tokens
        </Check>
        <Check
          name="qk"
          checked={state.qk !== 'none'}
          onChange={() => setAttribution({ qk: state.qk === 'none' ? 'softmax' : 'none' })}
          note="Beside the sums: what changes through a head’s attention, its softmax made anew (AtP*). Two passes more."
        >
          Queries and keys of heads
        </Check>
        <Check
          name="wholes"
          checked={state.wholes}
          onChange={() => setAttribution({ wholes: !state.wholes })}
          note="Beside the sums: what attention and feed-forward add together, and the stream before them, as in patching grids."
        >
          Whole branches and the residual stream
        </Check>
      </div>
    </>
  );
}

/** Of a trace: that before the traced node is always held. */
export function TracedMenu() {
  const { frozen, pairs } = useAttributionSpec();
  return (
    <>
      <h3>Norms further upstream</h3>
      {FROZEN.filter(([value]) => value !== 'final').map(([value, name]) => (
        <Option
          key={value}
          group="frozen"
          value={value}
          checked={(frozen === 'all') === (value === 'all')}
          onChange={() => setAttribution({ frozen: value })}
          note={
            value === 'all'
              ? 'Each at the scale that it has in the run.'
              : 'Live in totals; the norm before the node that is traced is held all the same.'
          }
        >
          {name} held
        </Option>
      ))}
      <div className="menu-foot">
        <Check name="pairs" checked={pairs} onChange={() => setAttribution({ pairs: !pairs })}>
          Heads by pair of tokens
        </Check>
      </div>
    </>
  );
}

/** Taken over where the field is left: prompts that values are compared with. */
function References() {
  const { references, against } = useAttributionSpec();
  const [draft, setDraft] = useState(references);
  const use = () => {
    if (draft === references) return;
    const none = draft.trim() === '';
    setAttribution({
      references: draft,
      against:
        none && against === 'prompt' ? 'zero' : against === 'zero' && !none ? 'mean' : against,
    });
  };
  return (
    <label className="attribution-references">
      <span>Prompts to compare with, one in each line</span>
      <textarea
        className="mono"
        rows={2}
        data-testid="references"
        spellCheck={false}
        value={draft}
        placeholder="The capital of France is the city of"
        onChange={(event) => setDraft(event.target.value)}
        onBlur={use}
      />
      <span className="option-note">
        For the mean any; as another prompt one, of as many tokens as the prompt above.
      </span>
    </label>
  );
}

const STEPS = [2, 5, 10, 20] as const;

function Steps({ layers, length }: { layers: number; length: number }) {
  const { steps, wholes } = useAttributionSpec();
  const sites = (wholes ? 6 : 2) * layers + 1;
  const values = STEPS.some((one) => one === steps) ? STEPS : [...STEPS, steps];
  return (
    <>
      <Segments
        name="steps"
        label="Gradients of each branch"
        value={String(steps)}
        options={values.map((one) => [String(one), String(one)] as const)}
        onChange={(value) => setAttribution({ steps: Number(value) })}
      />
      <p className="option-note" data-testid="estimate-cost">
        {steps} gradients of each branch: up to {(sites * steps).toLocaleString('en')} passes
        forward and back over {count(length, 'token')}. It can be cancelled.
      </p>
    </>
  );
}

// ------------------------------------------------------------------ what is listed

const FIRST = [20, 50, 200, 1000] as const;

export const KIND_WORDS: Readonly<Record<NodeKind, string>> = {
  embed: 'Token embeddings',
  pair: 'Heads, by pair of tokens',
  head: 'Heads, as wholes',
  cross_head: 'Heads that look at the source',
  query: 'Queries of heads',
  key: 'Keys of heads',
  neuron: 'Neurons',
  bias: 'Biases',
  attn: 'Attention as a whole',
  cross: 'Attention to the source, as a whole',
  mlp: 'Feed-forwards as wholes',
  mixer: 'Token mixers',
  ple: 'Per-layer embeddings',
  latent: 'Latents of attached autoencoders',
  latent_bias: 'Biases of autoencoders',
  error: 'What autoencoders do not explain',
  stream: 'The residual stream',
};

interface ListedProps {
  model: ModelInfo;
  answer: Comparison | null;
  length: number;
}

export function ListedMenu({ model, answer, length }: ListedProps) {
  const { top_k, kinds } = useAttributionSpec();
  const values = FIRST.some((one) => one === top_k) ? FIRST : [...FIRST, top_k];
  const there = new Set(answer?.baseline.components.map(({ kind }) => kind));
  const shown = NODE_KINDS.filter((kind) => there.has(kind) || kinds?.includes(kind));
  return (
    <>
      <h3>How many nodes are listed</h3>
      <Segments
        name="top"
        label="Nodes listed"
        value={String(top_k)}
        options={values.map((one) => [String(one), one.toLocaleString('en')] as const)}
        onChange={(value) => setAttribution({ top_k: Number(value) })}
      />
      <p className="option-note">
        Those with the largest number in the column that is sorted by, either way. Sums of
        components and positions are of all nodes, whatever is listed.
      </p>
      <h3 className="menu-foot">Of these kinds</h3>
      {shown.map((kind) => (
        <Check
          key={kind}
          name={`kind-${kind}`}
          checked={kinds?.includes(kind) ?? true}
          onChange={() => setAttribution({ kinds: toggled(kinds ?? shown, kind, shown) })}
        >
          {KIND_WORDS[kind]}
        </Check>
      ))}
      <div className="menu-foot">
        <Numbers name="layers" label="Only layers" size={model.n_layers} example="8-11, 14" />
        <Numbers name="positions" label="Only positions" size={length} example="0, 4-7" />
      </div>
    </>
  );
}

/** Null where all are chosen, or none would be. */
function toggled(
  kinds: readonly NodeKind[],
  kind: NodeKind,
  all: readonly NodeKind[],
): readonly NodeKind[] | null {
  const next = kinds.includes(kind) ? kinds.filter((one) => one !== kind) : [...kinds, kind];
  return next.length === 0 || next.length === all.length
    ? null
    : NODE_KINDS.filter((one) => next.includes(one));
}

interface NumbersProps {
  name: 'layers' | 'positions';
  label: string;
  size: number;
  example: string;
}

/** Taken over with Enter, or where the field is left. */
function Numbers({ name, label, size, example }: NumbersProps) {
  const chosen = useAttributionSpec()[name];
  const said = chosen ? formatPositions([...chosen]) : '';
  const [draft, setDraft] = useState(said);
  const [from, setFrom] = useState(said);
  if (from !== said) {
    setFrom(said);
    setDraft(said);
  }
  const problem = problemOf(draft, size);
  const use = () => {
    if (problem !== null || draft === said) return;
    const read = draft.trim() === '' ? null : parsePositions(draft);
    setAttribution({ [name]: Array.isArray(read) ? read : null });
  };
  return (
    <label className="attribution-numbers">
      <span>{label}</span>
      <input
        className="mono"
        data-testid={`only-${name}`}
        autoComplete="off"
        placeholder={`all, or ${example}`}
        aria-invalid={problem !== null}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={use}
        onKeyDown={(event) => (event.key === 'Enter' ? use() : undefined)}
      />
      {problem === null ? null : <span className="option-note problem">{problem}</span>}
    </label>
  );
}

function problemOf(draft: string, size: number): string | null {
  if (draft.trim() === '') return null;
  const read = parsePositions(draft);
  if (!Array.isArray(read)) return 'Write numbers like 3, 8-11.';
  const good = read.every((one) => one >= 0 && one < size);
  return good ? null : `There are 0–${size - 1}.`;
}
