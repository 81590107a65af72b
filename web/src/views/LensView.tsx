/** The grid of layers and positions. */
import { useMemo } from 'react';
import { useLens } from '../api/queries';
import { Formula } from '../components/Formula';
import { Segments } from '../components/parts';
import { SaveMenu } from '../components/SaveMenu';
import { saveCsv, saveJson } from '../components/save';
import { cell, lensTable, paintLens, type Lens } from '../core/lens';
import { lensPython } from '../core/python';
import type { Spec } from '../core/url';
import { change, useSpec } from '../state/store';
import { useTheme } from '../state/theme';
import { ErrorNote } from './ErrorNote';
import { useMode } from './experiment';
import { Legend } from './Legend';
import { GUTTER, ROW_HEIGHT } from './layout';
import { LensCanvas } from './LensCanvas';
import { LensTable } from './LensTable';
import { Cost, useCost } from './LensCost';
import { saveLensPng } from './lensPng';
import { FlipButton, lensReason } from './PredictionsView';
import type { ViewProps } from './Stage';
import { ModeChoice, Status, ViewBar } from './ViewBar';

const COLOURS = [
  ['probability', 'Probability', 'Of the target token'],
  ['rank', 'Rank', 'Of the target token'],
  ['kl', 'KL', 'From the final prediction'],
  ['entropy', 'Entropy', 'How undecided it is'],
] as const;

export function LensView({ model, experiment, cellWidth, strip }: ViewProps) {
  const spec = useSpec();
  const theme = useTheme((state) => state.theme);
  const mode = useMode();
  const capable =
    model?.capabilities.find((capability) => capability.name === 'lens')?.available ?? true;
  const cost = useCost(model, experiment.tokens?.length ?? 0);
  const analysis = useLens(
    spec,
    model !== null && capable && experiment.tokens !== null && cost.agreed,
  );
  const { data } = analysis;
  const painted = useMemo(
    () => (data && model ? paintLens(data, spec.colour, mode, model.vocab_size, theme) : null),
    [data, model, spec.colour, mode, theme],
  );
  const stale = data !== null && !analysis.current;
  const error = experiment.error ?? analysis.error;
  const grid = { lens: data, painted, mode, experiment, cellWidth };
  return (
    <>
      <ViewBar
        status={
          <Status kind="lens" analysis={analysis} waiting={experiment.waiting && cost.agreed} />
        }
      >
        <ModeChoice difference="Difference" />
        <Segments
          name="colour"
          label="Colour"
          value={spec.colour}
          options={COLOURS}
          onChange={(colour) => change({ colour }, 'replace')}
        />
        <Toggles parallel={model?.parallel_blocks ?? false} />
        {data && painted && model ? (
          <SaveMenu
            csv={() => saveCsv('lens.csv', lensTable(data))}
            json={() => saveJson('lens.json', lensJson(spec, data))}
            png={() => void saveLensPng(data, painted, mode, spec, model.name)}
            python={() => lensPython(model.name, spec)}
          />
        ) : null}
        {data && experiment.position !== null ? (
          <LensFormula lens={data} position={Math.min(experiment.position, data.columns - 1)} />
        ) : null}
      </ViewBar>
      {strip}
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={data !== null}
      />
      {capable ? null : <NoLens reason={lensReason(model)} />}
      {capable && !cost.agreed ? <Cost cost={cost} /> : null}
      <div className={`lens ${stale ? 'stale' : ''}`} aria-busy={analysis.busy}>
        {data && painted ? (
          spec.table ? (
            <LensTable lens={data} mode={mode} />
          ) : (
            <LensCanvas {...grid} lens={data} painted={painted} />
          )
        ) : (
          <LensPlace
            model={error || !capable || !cost.agreed ? null : model}
            columns={experiment.tokens?.length ?? 0}
            cellWidth={cellWidth}
          />
        )}
        {painted && !spec.table ? (
          <Legend scale={painted.scale} marks={mode === 'difference'} />
        ) : null}
      </div>
    </>
  );
}

function NoLens({ reason }: { reason: string }) {
  return (
    <section className="no-lens" data-testid="no-lens">
      <h2>The lens cannot be shown for this model</h2>
      <p>{reason}</p>
      <p className="faint">
        A wrong number is worse than none. Predictions still shows what the whole model says next.
      </p>
    </section>
  );
}

/** Keeps the place that the grid will take. */
function LensPlace({
  model,
  columns,
  cellWidth,
}: {
  model: ViewProps['model'];
  columns: number;
  cellWidth: number;
}) {
  const { sublayers } = useSpec();
  const rows = model ? model.n_layers * (sublayers ? 2 : 1) + 1 : 0;
  return (
    <div
      className="lens-place"
      aria-hidden="true"
      style={{ height: rows * ROW_HEIGHT, width: columns * cellWidth, marginLeft: GUTTER }}
    />
  );
}

function Toggles({ parallel }: { parallel: boolean }) {
  const { sublayers, table } = useSpec();
  return (
    <>
      {parallel ? null : (
        <button
          type="button"
          className="quiet"
          aria-pressed={sublayers}
          data-testid="sublayers"
          title="A row after each attention too"
          onClick={() => change({ sublayers: !sublayers })}
        >
          Sublayers
        </button>
      )}
      <FlipButton />
      <button
        type="button"
        className="quiet"
        aria-pressed={table}
        data-testid="as-table"
        onClick={() => change({ table: !table }, 'replace')}
      >
        View as table
      </button>
    </>
  );
}

/** All of the grid as plain data, with what it is an answer to. */
function lensJson(spec: Spec, lens: Lens): unknown {
  const side = (values: Lens['baseline'] | null) => {
    if (!values) return null;
    return Object.fromEntries(
      Object.entries(values).map(([name, array]) => [name, Array.from(array as Float32Array)]),
    );
  };
  return {
    spec,
    description: lens.meta,
    shape: [lens.rows, lens.columns],
    k: lens.k,
    baseline: side(lens.baseline),
    edited: side(lens.edited),
  };
}

function LensFormula({ lens, position }: { lens: Lens; position: number }) {
  const last = cell(lens, lens.baseline, lens.rows - 1, position);
  return (
    <Formula
      title="How the lens is computed"
      lines={[
        {
          name: 'a cell',
          formula: 'softmax( W_U · norm_final(residual[layer, position]) )',
          note: 'What the model would predict at this token if it stopped after this layer.',
        },
        {
          name: 'probability, rank',
          formula: 'of the target token',
          value: `${last.probability.toPrecision(5)}, #${last.rank} for ${last.target.label} in the last row at position ${position}`,
          note: 'Without a target token: of the token that the last row finds most likely at that position.',
        },
        {
          name: 'KL',
          formula: 'Σ p_final ln( p_final / p_layer )',
          note: 'How far this layer is from the final prediction, nats.',
        },
        {
          name: 'entropy',
          formula: '−Σ p ln p',
          value: `${last.entropy.toFixed(4)} nats in the last row`,
          note: '0 is certain.',
        },
        ...(lens.edited
          ? [
              {
                name: 'KL, difference',
                formula: 'Σ p_baseline ln( p_baseline / p_edited )',
                note: 'Of the same cell, without and with the edits.',
              },
            ]
          : []),
      ]}
    />
  );
}
