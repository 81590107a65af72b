/** What the circuit is of and how its edges are rated: one quiet line. */
import { useState } from 'react';
import { Choice, Option } from '../../shared/parts/Choice';
import { OtherPrompt } from '../../shared/parts/OtherPrompt';
import { PairsChoice } from '../../shared/parts/PairsMenu';
import { ViewToggles } from '../../shared/parts/toggles';
import { useSpec } from '../../shared/state/store';
import { count } from '../../draw/format';
import { QUESTIONS } from '../../questions.gen';
import { shorten, showSpaces } from '../../draw/tokens';
import { CIRCUIT, setCircuit, setCircuitPairs, useCircuitSpec, type Circuit } from './circuitState';
import { leaveAlone, putIn, readName, setByPosition } from './hand';
import { FromFile } from './FromFile';
import type { CircuitAnswer } from './query';

const ABLATIONS: Readonly<Record<Circuit['ablation'], readonly [string, string]>> = {
  patch: ['the other prompt', 'What its source writes in the corrupted prompt.'],
  mean: ['the mean', 'What its source writes in the mean over the prompt.'],
  resample: [
    'drawn positions',
    'What its source writes at a position drawn from the corrupted prompt, of any length; without one, from this prompt.',
  ],
  zero: ['nothing', 'Zero, which no model has seen: the hardest, and the least natural.'],
};

const ESTIMATORS: Readonly<Record<Circuit['estimator'], readonly [string, string]>> = {
  gradient: [
    'gradient',
    'The change of what the source writes times the gradient at what reads it: one pass (EAP).',
  ],
  integrated: [
    'integrated gradients',
    'Times the mean gradient on the way from the corrupted prompt: several passes (EAP-IG).',
  ],
};

const POSITIONS = [
  [false, 'Over all positions', 'From what writes to what reads, wherever in the prompt.'],
  [
    true,
    'Of each position',
    'What is written at one token, read there: the circuit is drawn over the tokens.',
  ],
] as const;

export function CircuitSetup({ answer }: { answer: CircuitAnswer | null }) {
  const state = useCircuitSpec();
  const several = state.set !== 'one';
  return (
    <div className="lens-setup" role="group" aria-label="What the circuit is of">
      <PairsChoice set={state.set} own={state.own} use={setCircuitPairs} />
      {several ? null : <Against />}
      <Choice
        name="ablation"
        head="Left out carry"
        says={leftOutWords(state)}
        changed={state.ablation !== CIRCUIT.ablation}
      >
        <h3>What an edge that is left out carries</h3>
        {(Object.keys(ABLATIONS) as Circuit['ablation'][]).map((ablation) => (
          <Option
            key={ablation}
            group="ablation"
            value={ablation}
            checked={state.ablation === ablation}
            onChange={() => setCircuit({ ablation })}
            note={ABLATIONS[ablation][1]}
          >
            {capital(ABLATIONS[ablation][0])}
          </Option>
        ))}
        {state.ablation === 'resample' ? <Seed /> : null}
      </Choice>
      <Choice
        name="edges-by"
        head="Rated by"
        says={ESTIMATORS[state.estimator][0]}
        changed={state.estimator !== CIRCUIT.estimator}
      >
        <h3>Effects of edges are estimated by</h3>
        {(Object.keys(ESTIMATORS) as Circuit['estimator'][]).map((estimator) => (
          <Option
            key={estimator}
            group="edges-by"
            value={estimator}
            checked={state.estimator === estimator}
            disabled={estimator === 'integrated' && !several && state.corrupted === ''}
            onChange={() => setCircuit({ estimator })}
            note={ESTIMATORS[estimator][1]}
          >
            {capital(ESTIMATORS[estimator][0])}
          </Option>
        ))}
      </Choice>
      <Choice
        name="positions"
        head="Edges"
        says={state.by_position ? 'of each position' : 'over all positions'}
        changed={state.by_position}
      >
        <h3>What an edge is</h3>
        {POSITIONS.map(([by_position, words, note]) => (
          <Option
            key={words}
            group="positions"
            value={words}
            checked={state.by_position === by_position}
            onChange={() => setByPosition(by_position)}
            note={note}
          >
            {words}
          </Option>
        ))}
      </Choice>
      <Choice name="by-hand" head="By hand" says={handWords(state)} changed={isByHand(state)} wide>
        <ByHand />
        <FromFile />
      </Choice>
      {answer ? <Edges answer={answer} /> : null}
      {several ? null : <Explained />}
      <span className="spring" />
      <ViewToggles />
    </div>
  );
}

function Against() {
  const { corrupted } = useCircuitSpec();
  return (
    <Choice
      name="corrupted"
      head="Against"
      says={
        corrupted === '' ? (
          'no other prompt'
        ) : (
          <bdi>{shorten(corrupted.replaceAll('\n', '↵'), 36)}</bdi>
        )
      }
      changed={corrupted !== ''}
      wide
    >
      <OtherPrompt
        corrupted={corrupted}
        use={(other) => setCircuit({ corrupted: other, chosen: null, measured: false })}
      />
    </Choice>
  );
}

function Explained() {
  const { target, distractor } = useSpec();
  if (target === '')
    return (
      <span className="faint">
        of the prompts’ own answers: type target and distractor beside the prompt
      </span>
    );
  if (distractor !== '') return null;
  return (
    <span className="faint">
      of the logit of <bdi className="token">{showSpaces(target)}</bdi>
    </span>
  );
}

function leftOutWords({ ablation, seed }: Circuit): string {
  const drawn = ablation === 'resample' && seed !== CIRCUIT.seed;
  return `${ABLATIONS[ablation][0]}${drawn ? `, seed ${seed}` : ''}`;
}

const { low: LOWEST } = QUESTIONS.circuit.seed;
const HIGHEST = 2 ** 31 - 1;

/** Which draw: taken over where the field is left, or with Enter. */
function Seed() {
  const { seed } = useCircuitSpec();
  const commit = (typed: number) => {
    const legal = Number.isInteger(typed) && typed >= LOWEST && typed <= HIGHEST;
    if (legal && typed !== seed) setCircuit({ seed: typed });
  };
  return (
    <label className="circuit-seed">
      seed of the draw
      <input
        type="number"
        className="mono"
        data-testid="circuit-seed"
        min={LOWEST}
        max={HIGHEST}
        step={1}
        defaultValue={seed}
        key={seed}
        onBlur={(event) => commit(event.target.valueAsNumber)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit(event.currentTarget.valueAsNumber);
        }}
      />
    </label>
  );
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function isByHand({ include, exclude }: Circuit): boolean {
  return include.length + exclude.length > 0;
}

function handWords({ include, exclude }: Circuit): string {
  const parts = [
    ...(include.length > 0 ? [`${include.length} in`] : []),
    ...(exclude.length > 0 ? [`${exclude.length} out`] : []),
  ];
  return parts.join(', ') || 'nothing';
}

// ------------------------------------------------------------------ how many edges

/** Of a canvas: more are a thicket. */
const MOST_DRAWN = 2000;
const STEPS = 1000;

/** The slider is logarithmic: ten edges matter as much as ten times ten. */
function Edges({ answer }: { answer: CircuitAnswer }) {
  const { edges } = useCircuitSpec();
  const most = Math.min(MOST_DRAWN, answer.n_edges);
  const [draft, setDraft] = useState<number | null>(null);
  const shown = draft ?? edges;
  const commit = () => {
    if (draft !== null && draft !== edges) setCircuit({ edges: draft });
    setDraft(null);
  };
  const at = shown === 0 ? 0 : 1 + ((STEPS - 1) * Math.log(shown)) / Math.log(most);
  return (
    <label className="circuit-edges">
      <span className="faint">Edges kept</span>
      <input
        type="range"
        min={0}
        max={STEPS}
        value={Math.round(Math.min(STEPS, at))}
        data-testid="edges"
        aria-label="Edges kept, largest effect first"
        aria-valuetext={count(shown, 'edge')}
        onChange={(event) => setDraft(edgesAtStep(Number(event.target.value), most, shown))}
        onPointerUp={commit}
        onKeyUp={commit}
        onBlur={commit}
      />
      <output className="number">
        {shown.toLocaleString('en')} of {answer.n_edges.toLocaleString('en')}
      </output>
    </label>
  );
}

/** A step of the slider as a number of edges; from the number before at least one edge away. */
function edgesAtStep(step: number, most: number, before: number): number {
  if (step === 0) return 0;
  const number = Math.round(Math.exp(((step - 1) / (STEPS - 1)) * Math.log(most)));
  const old = before === 0 ? 0 : 1 + ((STEPS - 1) * Math.log(before)) / Math.log(most);
  if (number !== before || step === Math.round(old)) return number;
  return Math.max(0, Math.min(most, before + Math.sign(step - old)));
}

// ------------------------------------------------------------------ by hand

function ByHand() {
  const { include, exclude } = useCircuitSpec();
  const [draft, setDraft] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const use = () => {
    const read = readName(draft);
    if (typeof read === 'string') return setProblem(read);
    putIn(read.name);
    setDraft('');
  };
  return (
    <>
      <h3>Put in and taken out by hand</h3>
      <form
        className="circuit-hand"
        onSubmit={(event) => {
          event.preventDefault();
          use();
        }}
      >
        <input
          className="mono"
          data-testid="put-in-name"
          aria-label="An edge or a node to put in"
          placeholder="L8.H1>L11.H3.q or L9.H1"
          autoComplete="off"
          spellCheck={false}
          value={draft}
          aria-invalid={problem !== null}
          onChange={(event) => {
            setDraft(event.target.value);
            setProblem(null);
          }}
        />
        <button type="submit" disabled={draft.trim() === ''}>
          Put in
        </button>
      </form>
      {problem === null ? null : <p className="option-note problem">{problem}</p>}
      <Names title="Put in" names={include} />
      <Names title="Taken out" names={exclude} />
      {include.length + exclude.length > 0 ? (
        <button
          type="button"
          className="link"
          onClick={() => setCircuit({ include: [], exclude: [] })}
        >
          Nothing by hand
        </button>
      ) : (
        <p className="option-note">
          A node has every edge between it and the nodes of the circuit. Taken out are the chosen
          edge or node, by a button beside the circuit or by x.
        </p>
      )}
    </>
  );
}

const NAMED = 40;

function Names({ title, names }: { title: string; names: readonly string[] }) {
  if (names.length === 0) return null;
  return (
    <div className="circuit-names">
      <p className="faint">
        {title}
        {names.length > NAMED ? `, the last ${NAMED} of ${names.length}` : ''}
      </p>
      <ul>
        {names.slice(-NAMED).map((name) => (
          <li key={name}>
            <button
              type="button"
              className="tiny mono"
              aria-label={`${title}: ${name}. As its effect says again`}
              title="As its effect says again"
              onClick={() => leaveAlone(name)}
            >
              {name} ✕
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
