/** What the graph is of and how much of it is shown: one quiet line. */
import { useState } from 'react';
import { percent } from '../../draw/format';
import { showSpaces } from '../../draw/tokens';
import { LIMITS } from '../../questions.gen';
import { Check, Choice } from '../../shared/parts/Choice';
import { FlipButton, ViewToggles } from '../../shared/parts/toggles';
import { useSpec } from '../../shared/state/store';
import { costWords, type Cost } from './estimate';
import { FromFile } from './GraphFile';
import { GRAPH, setGraph, useGraphSpec, usePassing, type Graph } from './graphState';
import { useOpened, type GraphAnswer } from './query';

export function GraphSetup({ answer, cost }: { answer: GraphAnswer | null; cost: Cost }) {
  const state = useGraphSpec();
  const { target, distractor } = useSpec();
  const { opened } = useOpened();
  const changed = (...names: Array<keyof Graph>) =>
    names.some((name) => state[name] !== GRAPH[name]);
  return (
    <div className="lens-setup" role="group" aria-label="What the graph is of">
      {opened ? null : (
        <>
          <Choice
            name="explained"
            head="Explains"
            says={<Explained target={target} distractor={distractor} answers={state.answers} />}
            changed={target !== '' || changed('answers', 'mass')}
          >
            <ExplainedMenu />
          </Choice>
          <Choice
            name="latents"
            head="Latents"
            says={`at most ${state.latents.toLocaleString('en')}`}
            changed={changed('latents', 'node_threshold', 'edge_threshold', 'labels')}
          >
            <LatentsMenu cost={cost} />
          </Choice>
        </>
      )}
      <Choice
        name="graph-file"
        head="File"
        says={opened ? opened.file : 'none'}
        changed={opened !== null}
      >
        <FromFile />
      </Choice>
      {answer ? (
        <>
          <Shown name="nodes" most={answer.node_threshold} />
          {/* Other files do not say how much of all influence an edge has. */}
          {(opened?.own ?? true) ? <Shown name="edges" most={answer.edge_threshold} /> : null}
        </>
      ) : null}
      <span className="spring" />
      <FlipButton />
      <ViewToggles />
    </div>
  );
}

function Explained({
  target,
  distractor,
  answers,
}: {
  target: string;
  distractor: string;
  answers: number;
}) {
  if (target === '') return <>the likeliest tokens, at most {answers}</>;
  return (
    <>
      <bdi className="token">{showSpaces(target)}</bdi>
      {distractor === '' ? null : (
        <>
          {' '}
          less <bdi className="token">{showSpaces(distractor)}</bdi>
        </>
      )}
    </>
  );
}

function ExplainedMenu() {
  const state = useGraphSpec();
  return (
    <>
      <h3>What is explained</h3>
      <p className="option-note">
        The target beside the prompt, less the distractor, at the chosen position. Without a target
        the likeliest tokens, each by its probability.
      </p>
      <h3 className="menu-foot">Without a target</h3>
      <Amount
        name="answers"
        words="at most so many tokens"
        low={1}
        high={50}
        step={1}
        value={state.answers}
      />
      <Amount
        name="mass"
        words="fewer, where they have this probability together"
        low={0}
        high={1}
        step={0.01}
        value={state.mass}
      />
    </>
  );
}

function LatentsMenu({ cost }: { cost: Cost }) {
  const state = useGraphSpec();
  return (
    <>
      <h3>What is computed</h3>
      <Amount
        name="latents"
        words="latents at most, those with most influence"
        low={1}
        high={LIMITS.max_graph_latents}
        step={100}
        value={state.latents}
      />
      <Amount
        name="node_threshold"
        words="nodes that have this part of all influence together"
        low={0.01}
        high={1}
        step={0.01}
        value={state.node_threshold}
      />
      <Amount
        name="edge_threshold"
        words="edges that have this part together"
        low={0.01}
        high={1}
        step={0.01}
        value={state.edge_threshold}
      />
      <Check
        name="graph-labels"
        checked={state.labels}
        onChange={() => setGraph({ labels: !state.labels })}
        note="The three tokens that a latent’s write raises most. Names and labels of your own go first."
      >
        Label latents
      </Check>
      <p className="option-note" data-testid="graph-estimate" aria-live="polite">
        {cost.known === null
          ? cost.busy
            ? 'What it takes is being estimated …'
            : ''
          : `It takes ${costWords(cost.known)}.`}
      </p>
      <p className="option-note">
        These ask the server again. The sliders beside this menu show fewer of what it answered, at
        once.
      </p>
    </>
  );
}

interface AmountProps {
  name: 'answers' | 'mass' | 'latents' | 'node_threshold' | 'edge_threshold';
  words: string;
  low: number;
  high: number;
  step: number;
  value: number;
}

/** Asked for when it is left, or by Enter: not with each digit. */
function Amount({ name, words, low, high, step, value }: AmountProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const commit = () => {
    const number = Number(draft);
    setDraft(null);
    if (draft === null || draft.trim() === '' || !Number.isFinite(number)) return;
    const held = Math.max(low, Math.min(high, number));
    setGraph({ [name]: step < 1 ? Number(held.toFixed(4)) : Math.round(held) });
  };
  return (
    <label className="graph-amount">
      <input
        type="number"
        className="number"
        data-testid={`graph-${name}`}
        min={low}
        max={high}
        step={step}
        value={draft ?? value}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => (event.key === 'Enter' ? commit() : undefined)}
      />
      <span>{words}</span>
    </label>
  );
}

// ------------------------------------------------------------------ how much is shown

const TITLES = {
  nodes: 'Nodes: the part of all influence that those shown have together',
  edges: 'Edges: the part of all influence that those shown have together',
} as const;
const STEPS = 200;

function Shown({ name, most }: { name: 'nodes' | 'edges'; most: number }) {
  const state = useGraphSpec();
  const draft = usePassing((passing) => passing[name]);
  const value = Math.min(most, draft ?? state[name]);
  const commit = () => {
    if (draft === null) return;
    usePassing.setState({ [name]: null });
    setGraph({ [name]: draft >= most ? 1 : Number(draft.toFixed(3)) }, 'replace');
  };
  return (
    <label className="graph-shown" title={TITLES[name]}>
      <span className="faint">{name === 'nodes' ? 'Nodes' : 'Edges'}</span>
      <input
        type="range"
        min={0}
        max={STEPS}
        value={Math.round((value / most) * STEPS)}
        data-testid={`shown-${name}`}
        aria-label={TITLES[name]}
        aria-valuetext={percent(value)}
        onChange={(event) =>
          usePassing.setState({ [name]: (Number(event.target.value) / STEPS) * most })
        }
        onPointerUp={commit}
        onKeyUp={commit}
        onBlur={commit}
      />
      <output className="number">{percent(value)}</output>
    </label>
  );
}
