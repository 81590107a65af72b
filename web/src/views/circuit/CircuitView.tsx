/** Which edges carry the answer: drawn, measured, changed by hand. */
import { useMemo, useState, type ReactNode } from 'react';
import { circuitData, isEdge, type CircuitData } from '../../draw/circuit/data';
import { circuitTable, spanWords } from '../../draw/circuit/text';
import { count, figures, part } from '../../draw/format';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Formula } from '../../shared/parts/Formula';
import { OtherPrompt } from '../../shared/parts/OtherPrompt';
import { Sets } from '../../shared/parts/PairsMenu';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { Status, ViewBar } from '../../shared/parts/ViewBar';
import { notify, useSpec } from '../../shared/state/store';
import type { ViewProps } from '../../shared/view';
import { CircuitCanvas } from './CircuitCanvas';
import { CircuitChosen } from './CircuitChosen';
import { CircuitCurve } from './CircuitCurve';
import { CircuitPairs } from './CircuitPairs';
import { CircuitSetup } from './CircuitSetup';
import { CircuitTable } from './CircuitTable';
import { toMib, WITHOUT_POSITIONS } from './files';
import { setCircuit, setCircuitPairs } from './circuitState';
import { useNodeWords } from './labels';
import { KeptCircuits } from './KeptCircuits';
import { Minimality } from './Minimality';
import { allEdges, useCircuit, useCurve, useMeasured, type CircuitAnswer } from './query';

/** A curve starts by itself where finding the circuit took no longer than this, seconds. */
const QUICK = 10;

export function CircuitView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const { corrupted, ablation, chosen, measured, set } = spec.circuit;
  const several = set !== 'one';
  const ready = model !== null && (several || (experiment.tokens?.length ?? 0) > 0);
  const asked = several || corrupted !== '' || ablation !== 'patch';
  const { position } = experiment;
  const analysis = useCircuit(spec, position, ready);
  const answer = asked ? analysis.data : null;
  const labels = useNodeWords();
  const data = useMemo(
    () => (answer ? circuitData({ ...answer, labels }) : null),
    [answer, labels],
  );
  const start = useCurveStart(analysis);
  const curve = useCurve(spec, position, ready && start === null && analysis.current);
  const own = chosen !== null && isEdge(chosen) ? data?.edgeOf.get(chosen) : undefined;
  const asks = measured && own !== undefined && own.measured == null;
  const edge = useMeasured(spec, position, own?.id ?? null, ready && asks && analysis.current);
  const error = experiment.error ?? (asked ? analysis.error : null);
  return (
    <>
      <CircuitBar
        answer={answer}
        data={data}
        model={model}
        status={<BusyStatus all={[analysis, edge, curve]} waiting={experiment.waiting} />}
      />
      {model && asked ? <CircuitSetup answer={answer} /> : null}
      {several ? null : <TokenStrip experiment={experiment} cellWidth={cellWidth} />}
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={answer !== null}
      />
      {asked ? null : <First />}
      {answer && data ? (
        <Area
          {...{ answer, data, analysis, edge, curve }}
          start={start}
          stale={!analysis.current}
        />
      ) : null}
    </>
  );
}

const KINDS = ['circuit', 'circuit-edge', 'circuit-curve'] as const;

/** Of the first that is at work. */
function BusyStatus({
  all,
  waiting,
}: {
  all: ReadonlyArray<Analysis<CircuitAnswer>>;
  waiting: boolean;
}) {
  const at = Math.max(
    0,
    all.findIndex(({ busy, cancelled }) => busy || cancelled),
  );
  const shown = all[at];
  return shown ? <Status kind={KINDS[at] ?? 'circuit'} analysis={shown} waiting={waiting} /> : null;
}

/** Null: it starts by itself. */
function useCurveStart(analysis: Analysis<CircuitAnswer>): (() => void) | null {
  const [agreed, setAgreed] = useState(false);
  const slow = (analysis.timing?.seconds ?? 0) > QUICK;
  return slow && !agreed ? () => setAgreed(true) : null;
}

/** Another prompt, or none. */
function First() {
  const spec = useSpec();
  return (
    <div className="circuit-first">
      <OtherPrompt
        corrupted=""
        offered={spec.patching.corrupted}
        use={(corrupted) => setCircuit({ corrupted })}
      />
      <p className="faint">
        Without one, edges that are left out can carry{' '}
        <button type="button" className="link" onClick={() => setCircuit({ ablation: 'mean' })}>
          the mean over the prompt
        </button>
        .
      </p>
      <Sets use={setCircuitPairs} />
      <KeptCircuits answer={null} />
    </div>
  );
}

// ------------------------------------------------------------------ bar

interface BarProps {
  answer: CircuitAnswer | null;
  data: CircuitData | null;
  model: ModelInfo | null;
  status: ReactNode;
}

function CircuitBar({ answer, data, model, status }: BarProps) {
  const spec = useSpec();
  const figure = async () => {
    const { circuitFigure } = await import('./figure');
    return data && answer && model ? circuitFigure(data, answer, spec, model) : null;
  };
  return (
    <ViewBar status={status}>
      {answer && data && model ? (
        <SaveMenu
          csv={() => saveCsv('circuit.csv', circuitTable(data))}
          json={() => saveJson('circuit.json', { spec, answer })}
          more={[['Save in MIB’s format', () => void saveMib(answer, data, model)]]}
          png={() => void figure().then((drawn) => drawn?.png())}
          svg={() => void figure().then((drawn) => drawn?.svg())}
          model={model}
        />
      ) : null}
      {answer ? <CircuitFormula answer={answer} /> : null}
    </ViewBar>
  );

  /** It has the score of every edge of the model, which are asked for now. */
  async function saveMib(found: CircuitAnswer, drawn: CircuitData, of: ModelInfo) {
    try {
      const all = await allEdges(spec, found);
      saveJson('circuit-mib.json', toMib(all, new Set(drawn.edgeOf.keys()), of));
      if (drawn.tokens !== null) notify(WITHOUT_POSITIONS);
    } catch (failure) {
      notify(failure instanceof Error ? failure.message : 'The scores of all edges did not come.');
    }
  }
}

function CircuitFormula({ answer }: { answer: CircuitAnswer }) {
  return (
    <Formula
      title="What is measured"
      lines={[
        {
          name: 'an edge',
          formula: 'change of what its source writes · gradient at what reads it',
          note: `Estimated, ${answer.by_position ? 'at its position' : 'over all positions'}. Measured: what the objective loses where it alone carries something else.`,
        },
        {
          name: 'faithfulness',
          formula: '(circuit − none) ÷ (model − none)',
          value: `(${figures(answer.value)} − ${figures(answer.none)}) ÷ ${figures(answer.whole - answer.none)}`,
          note: 'Measured: a run in which everything reads the stream with the kept edges as they are, and all others as left out.',
        },
        {
          name: 'CMD, CPR',
          formula: 'area between the curve and 1, area under it',
          note: 'As MIB’s circuit track has them, over shares of all edges.',
        },
      ]}
    />
  );
}

// ------------------------------------------------------------------ the circuit

interface AreaProps {
  answer: CircuitAnswer;
  data: CircuitData;
  analysis: Analysis<CircuitAnswer>;
  edge: Analysis<CircuitAnswer>;
  curve: Analysis<CircuitAnswer>;
  start: (() => void) | null;
  stale: boolean;
}

function Area({ answer, data, analysis, edge, curve, start, stale }: AreaProps) {
  const { table } = useSpec();
  return (
    <div className={`circuit ${stale ? 'stale' : ''}`} aria-busy={analysis.busy}>
      <Readout answer={answer} data={data} />
      {table ? <CircuitTable data={data} /> : <CircuitCanvas data={data} />}
      {/* A region that scrolls must be reachable by keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <aside className="circuit-aside" aria-label="The circuit in numbers" tabIndex={0}>
        <CircuitChosen data={data} measured={edge} />
        {answer.n_pairs + answer.left_out.length > 1 || answer.held_out ? (
          <CircuitPairs answer={answer} curve={curve.data} />
        ) : null}
        <CircuitCurve circuit={answer} analysis={curve} start={start} />
        <Minimality data={data} />
        <KeptCircuits answer={stale ? null : answer} />
      </aside>
    </div>
  );
}

function Readout({ answer, data }: { answer: CircuitAnswer; data: CircuitData }) {
  const { edits } = useSpec();
  const kept = answer.faithfulness;
  return (
    <div className="attribution-readout circuit-readout" data-testid="circuit-readout">
      <p>
        {count(data.edges.length, 'edge')} between {count(data.nodes.size, 'node')} carry{' '}
        <strong data-testid="faithfulness">{kept == null ? '–' : part(kept)}</strong> of{' '}
        <strong>{answer.objective}</strong>: {figures(answer.value)}
        <span className="faint">
          {' '}
          ·{' '}
          {answer.n_pairs > 1
            ? `the mean of ${count(answer.n_pairs, 'pair')}`
            : `${spanWords(answer)}, at position ${answer.position}`}{' '}
          · {answer.cost}
        </span>
      </p>
      {kept == null ? (
        <p className="faint">
          The model and the prompt without any edge say the same: there is nothing to carry.
        </p>
      ) : null}
      {edits.some((made) => made.enabled) ? (
        <p className="faint">Edits are no part of a circuit: the prompts run as they are.</p>
      ) : null}
    </div>
  );
}
