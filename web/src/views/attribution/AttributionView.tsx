/** What every head, neuron and token does to an answer: a table, a strip of tokens, what was measured. */
import { useMemo, type ReactNode } from 'react';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { Segments } from '../../shared/parts/parts';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { ModeChoice, Status, ViewBar } from '../../shared/parts/ViewBar';
import { useMode } from '../../shared/state/experiment';
import { useSpec } from '../../shared/state/store';
import type { ViewProps } from '../../shared/view';
import { AttributionFormula } from './AttributionFormula';
import { AttributionReadout } from './AttributionReadout';
import { AttributionSetup } from './AttributionSetup';
import { setAttribution, useAttributionSpec, type Attribution } from './attributionState';
import { positionRead } from '../../shared/text/labels';
import { useBeside } from './beside';
import { BesideStrip } from './BesideStrip';
import { AttributionTable } from './AttributionTable';
import { EffectStrip } from './EffectStrip';
import { ExplainRows } from './ExplainRows';
import { useAttribution, useTrace, type Comparison, type Traced } from './query';
import {
  columnsOf,
  filtered,
  rowsOf,
  shownOf,
  sideOf,
  type Column,
  type Row,
  type Shown,
} from './rows';
import { attributionTable } from './text';
import { ReadersReadout, TraceReadout } from './TraceReadout';
import { TraceTrail } from './TraceTrail';
import { stepOf } from './trail';

const GROUPINGS = [
  ['nodes', 'Nodes', 'Each head, neuron and token at its position'],
  ['components', 'Components', 'Heads, branches and layers of neurons, summed over positions'],
  ['positions', 'Positions', 'Tokens, summed over all that writes there'],
] as const;

export function AttributionView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const length = experiment.tokens?.length ?? 0;
  const tracing = spec.attribution.trace.length > 0;
  const two = spec.attribution.beside !== '' && !tracing;
  const size = { layers: model?.n_layers ?? 0, positions: length };
  const ready = model !== null && length > 0;
  const at = positionRead(model, experiment.position);
  const answered = useAttribution(two ? { ...spec, edits: [] } : spec, at, size, ready && !tracing);
  const traced = useTrace(spec, experiment.position, size, ready);
  const analysis = tracing ? traced : answered;
  const beside = useBeside(
    tracing ? { ...spec, attribution: { ...spec.attribution, beside: '' } } : spec,
    analysis.data,
    experiment.tokens,
    at,
    model?.n_layers ?? 0,
  );
  const listed = useListed(beside.answer, two);
  const error = experiment.error ?? analysis.error ?? (two ? beside.analysis.error : null);
  const other = two && !analysis.busy && beside.analysis.busy;
  return (
    <>
      <AttributionBar
        answer={beside.answer}
        listed={listed}
        model={model}
        status={
          <Status
            kind={tracing ? 'trace' : other ? 'attribute-beside' : 'attribute'}
            analysis={other ? beside.analysis : analysis}
            waiting={experiment.waiting}
          />
        }
      />
      {model ? <AttributionSetup model={model} answer={analysis.data} length={length} /> : null}
      {tracing ? (
        <TraceTrail trace={traced.current ? (traced.trace?.baseline ?? null) : null} />
      ) : null}
      <TokenStrip experiment={experiment} cellWidth={cellWidth} />
      <ErrorNote
        error={error}
        retry={
          experiment.error
            ? experiment.retry
            : analysis.error
              ? analysis.retry
              : beside.analysis.retry
        }
        stale={analysis.data !== null}
      />
      <Smaller code={analysis.error?.body.code} />
      {beside.tokens && experiment.tokens ? (
        <BesideStrip
          tokens={beside.tokens}
          columns={beside.columns}
          own={experiment.tokens}
          cellWidth={cellWidth}
        />
      ) : null}
      {listed && model ? (
        <Area
          {...listed}
          analysis={analysis}
          traced={tracing ? traced.trace : null}
          model={model}
          cellWidth={cellWidth}
          position={experiment.position}
        />
      ) : null}
    </>
  );
}

/** What is in the table. */
interface Listed {
  answer: Comparison;
  shown: Shown;
  rows: Row[];
  columns: Column[];
}

function useListed(answer: Comparison | null, two: boolean): Listed | null {
  const state = useAttributionSpec();
  const mode = useMode(two);
  return useMemo(() => {
    if (!answer) return null;
    const shown = shownOf(answer, mode);
    const { tokens } = sideOf(answer, shown);
    const all = filtered(rowsOf(answer, state, shown), state, shown, tokens);
    const rows = two ? onlyAt(all, state) : all;
    return { answer, shown, rows, columns: columnsOf(state.grouping, shown, rows) };
  }, [answer, state, mode, two]);
}

/** A column without a partner is no position that the own prompt could be asked about. */
function onlyAt(rows: Row[], { positions, grouping }: Attribution): Row[] {
  if (positions === null || grouping !== 'nodes') return rows;
  return rows.filter(({ position }) => position !== null && positions.includes(position));
}

// ------------------------------------------------------------------ bar

interface BarProps {
  answer: Comparison | null;
  listed: Listed | null;
  model: ModelInfo | null;
  status: ReactNode;
}

function AttributionBar({ answer, listed, model, status }: BarProps) {
  const spec = useSpec();
  const { grouping, trace } = spec.attribution;
  const { down } = stepOf(trace.at(-1) ?? '');
  /** Fetched when one is asked for. */
  const picture = async ({ answer: found, shown }: Listed, { name }: ModelInfo) =>
    (await import('./figure')).effectsPicture(found, shown, spec, name);
  return (
    <ViewBar status={status}>
      <ModeChoice
        difference="Difference"
        prompts={
          spec.attribution.beside === '' || spec.attribution.trace.length > 0
            ? null
            : ['This prompt', 'The other']
        }
      />
      {down ? null : (
        <Segments
          name="grouping"
          label="What is listed"
          value={grouping}
          options={GROUPINGS}
          onChange={(value: Attribution['grouping']) =>
            setAttribution({ grouping: value }, 'replace')
          }
        />
      )}
      {listed && model ? (
        <SaveMenu
          csv={() =>
            saveCsv(
              'attribution.csv',
              attributionTable(
                listed.rows,
                listed.columns,
                sideOf(listed.answer, listed.shown).tokens,
                grouping,
              ),
            )
          }
          json={() => saveJson('attribution.json', { spec, answer: listed.answer })}
          png={() => void picture(listed, model).then((drawn) => drawn.png())}
          svg={() => void picture(listed, model).then((drawn) => drawn.svg())}
          model={model}
        />
      ) : null}
      {answer && spec.attribution.trace.length === 0 ? (
        <AttributionFormula side={answer.baseline} />
      ) : null}
    </ViewBar>
  );
}

/** A prompt that is too long for pairs is not too long for whole heads. */
function Smaller({ code }: { code: string | undefined }) {
  const { pairs } = useAttributionSpec();
  if (code !== 'too_large' || !pairs) return null;
  return (
    <p className="cost-actions attribution-smaller">
      <button
        type="button"
        className="primary"
        data-testid="whole-heads"
        onClick={() => setAttribution({ pairs: false })}
      >
        Take heads as wholes
      </button>
      <span className="faint">One node for each head and position, not one for each pair.</span>
    </p>
  );
}

// ------------------------------------------------------------------ strip and table

interface AreaProps extends Listed {
  analysis: Analysis<Comparison>;
  /** Null: the answer is attributed. */
  traced: Traced['trace'];
  model: ModelInfo;
  cellWidth: number;
  position: number | null;
}

function Area({ answer, shown, rows, columns, analysis, traced, ...rest }: AreaProps) {
  const { model, cellWidth, position } = rest;
  const stale = !analysis.current;
  const trace = shown === 'baseline' ? traced?.baseline : traced?.edited;
  const down = trace?.direction === 'downstream';
  return (
    <div className={`attribution ${stale ? 'stale' : ''}`} aria-busy={analysis.busy}>
      {down ? null : (
        <EffectStrip answer={answer} shown={shown} cellWidth={cellWidth} position={position} />
      )}
      {trace && down ? (
        <ReadersReadout trace={trace} listed={rows.length} />
      ) : trace ? (
        <TraceReadout trace={trace} listed={rows.length} />
      ) : (
        <AttributionReadout answer={answer} shown={shown} listed={rows.length} />
      )}
      <ExplainRows rows={rows} />
      {rows.length === 0 ? (
        <NoRows />
      ) : (
        <AttributionTable
          rows={rows}
          columns={columns}
          tokens={sideOf(answer, shown).tokens}
          shown={shown}
          model={model}
        />
      )}
    </div>
  );
}

const NO_FILTER = { sign: 'both', find: '', kinds: null, layers: null, positions: null } as const;

function NoRows() {
  const state = useAttributionSpec();
  const filters = Object.keys(NO_FILTER) as (keyof typeof NO_FILTER)[];
  if (filters.every((name) => state[name] === NO_FILTER[name])) {
    return (
      <p className="attribution-none" data-testid="no-rows">
        Nothing moves what is explained here: every effect is 0, as of a latent that is not active.
      </p>
    );
  }
  return (
    <p className="attribution-none" data-testid="no-rows">
      No node of those listed passes the filters.{' '}
      <button type="button" className="link" onClick={() => setAttribution(NO_FILTER)}>
        Take all filters away
      </button>
    </p>
  );
}
