/** Runs of one prompt, each with one activation of another: where the answer is made. */
import { useState, type ReactNode } from 'react';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { count, figures } from '../../draw/format';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Formula } from '../../shared/parts/Formula';
import { Sets } from '../../shared/parts/PairsMenu';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { Segments } from '../../shared/parts/parts';
import { FlipButton, ViewToggles } from '../../shared/parts/toggles';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { Status, ViewBar } from '../../shared/parts/ViewBar';
import { useSpec } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { saidOf } from '../../shared/text/chat';
import { positionRead } from '../../shared/text/labels';
import type { Spec } from '../../shared/text/url';
import type { ViewProps } from '../../shared/view';
import { byHead, gridTable, measuredWhere, someLayers } from './cells';
import { CellNote } from './CellNote';
import { CorruptedForm, PatchingSetup } from './PatchingSetup';
import { CorruptedStrip, PatchCanvas } from './PatchCanvas';
import { PatchTable } from './PatchTable';
import { setPatching, usePatchingSpec, type Patching } from './patchingState';
import { usePatchGrid, usePatchStudy, type Grid } from './query';
import { gridOf, studyTable } from './study';
import { StudyArea } from './StudyArea';

/** Grids up to this many cells start by themselves. */
const CELLS_AT_ONCE = 1500;

const SHOWS = [
  ['restored', '0.71', 'How far from the corrupted prompt’s answer (0) to the clean one’s (1)'],
  ['value', 'value', 'The objective in each cell'],
] as const;

export function PatchingView(props: ViewProps) {
  const { set } = usePatchingSpec();
  return set === 'one' ? <OnePair {...props} /> : <ManyPairs {...props} />;
}

function OnePair({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const { corrupted } = spec.patching;
  const length = experiment.tokens?.length ?? 0;
  const cost = useCost(model, length);
  const analysis = usePatchGrid(
    spec,
    positionRead(model, experiment.position),
    model !== null && length > 0 && cost.agreed,
  );
  const asked = corrupted !== '';
  const grid = asked ? analysis.data : null;
  const error = experiment.error ?? (asked ? analysis.error : null);
  return (
    <>
      <PatchingBar
        grid={grid}
        model={model}
        status={<Status kind="patch" analysis={analysis} waiting={experiment.waiting} />}
      />
      {model && asked ? (
        <PatchingSetup model={model}>
          <FlipButton />
          <ViewToggles />
        </PatchingSetup>
      ) : null}
      <TokenStrip experiment={experiment} cellWidth={cellWidth} />
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={grid !== null}
      />
      {asked ? null : (
        <>
          <CorruptedForm />
          {model?.labels.length ? null : (
            <Sets use={(patch) => setPatching({ ...patch, cell: null })} />
          )}
        </>
      )}
      {asked && !cost.agreed ? <Cost cost={cost} /> : null}
      {grid && model ? (
        <Area grid={grid} analysis={analysis} model={model} cellWidth={cellWidth} />
      ) : null}
    </>
  );
}

/** The page's own prompt is no part of it. */
function ManyPairs({ model, cellWidth }: ViewProps) {
  const spec = useSpec();
  const analysis = usePatchStudy(spec, model !== null);
  const study = analysis.data;
  return (
    <>
      <ViewBar status={<Status kind="patch-pairs" analysis={analysis} />}>
        {study && model ? (
          <SaveMenu
            csv={() => saveCsv('patching.csv', studyTable(study))}
            json={() => saveJson('patching.json', { spec, answer: study })}
            {...pictures(gridOf(study), spec, `${count(study.n_pairs, 'pair')}, mean`, model)}
            model={model}
          />
        ) : null}
      </ViewBar>
      {model ? (
        <PatchingSetup model={model}>
          <FlipButton />
          <ViewToggles />
        </PatchingSetup>
      ) : null}
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={study !== null} />
      {study ? <StudyArea study={study} analysis={analysis} cellWidth={cellWidth} /> : null}
    </>
  );
}

// ------------------------------------------------------------------ bar

interface BarProps {
  grid: Grid | null;
  model: ModelInfo | null;
  status: ReactNode;
}

function PatchingBar({ grid, model, status }: BarProps) {
  const spec = useSpec();
  return (
    <ViewBar status={status}>
      {grid ? (
        <Segments
          name="show"
          label="What a cell says"
          value={spec.patching.show}
          options={SHOWS}
          onChange={(show: Patching['show']) => setPatching({ show }, 'replace')}
        />
      ) : null}
      {grid && model ? (
        <SaveMenu
          csv={() => saveCsv('patching.csv', gridTable(grid))}
          json={() => saveJson('patching.json', { spec, answer: grid })}
          {...pictures(grid, spec, saidOf(spec), model)}
          model={model}
        />
      ) : null}
      {grid ? <PatchingFormula grid={grid} /> : null}
    </ViewBar>
  );
}

/** Fetched when one is asked for. */
function pictures(grid: Grid, spec: Spec, heading: string, model: ModelInfo) {
  const drawn = async () => {
    const { patchingPicture } = await import('./figure');
    const { show } = spec.patching;
    const { theme } = useTheme.getState();
    return patchingPicture({
      grid,
      show,
      flipped: spec.flipped,
      theme,
      heading,
      model: model.name,
    });
  };
  return {
    png: () => void drawn().then((picture) => picture.png()),
    svg: () => void drawn().then((picture) => picture.svg()),
  };
}

function PatchingFormula({ grid }: { grid: Grid }) {
  return (
    <Formula
      title="What a cell says"
      lines={[
        {
          name: 'a cell',
          formula: `objective of the ${grid.into} prompt, one activation set to the other’s`,
          note: 'Everything after it follows. A head is patched at all positions.',
        },
        {
          name: 'share',
          formula: '(cell − corrupted) ÷ (clean − corrupted)',
          value: `(cell − ${figures(grid.corrupted)}) ÷ ${figures(grid.clean - grid.corrupted)}`,
          note: '0 is the corrupted prompt’s answer, 1 the clean one’s. Below 0 or above 1 a cell goes beyond them.',
        },
      ]}
    />
  );
}

// ------------------------------------------------------------------ cost

interface Cost {
  cells: number;
  agreed: boolean;
  agree: () => void;
  most: number;
}

/** A long prompt has thousands of cells, each of which may be a run. */
function useCost(model: ModelInfo | null, length: number): Cost {
  const { prompt, patching } = useSpec();
  const [agreedTo, setAgreedTo] = useState<string | null>(null);
  const columns = byHead(patching.site) ? (model?.n_heads ?? 0) : length;
  const cells = (model?.n_layers ?? 0) * columns;
  const key = JSON.stringify([prompt, patching.corrupted, patching.site, patching.into]);
  return {
    cells,
    agreed: cells <= CELLS_AT_ONCE || agreedTo === key,
    agree: () => setAgreedTo(key),
    most: model?.limits.max_patch_cells ?? Infinity,
  };
}

function Cost({ cost }: { cost: Cost }) {
  const over = cost.cells > cost.most;
  return (
    <section className="no-lens" data-testid="patch-cost">
      <h2>{over ? 'This grid is larger than the server allows' : 'This grid is large'}</h2>
      <p>
        {count(cost.cells, 'cell')}, each a run from its layer and position on
        {over
          ? `; the limit is ${cost.most.toLocaleString('en')}.`
          : '; those that both prompts share are not run. It can be cancelled.'}
      </p>
      <p className="cost-actions">
        {over ? null : (
          <button type="button" className="primary" data-testid="patch-agree" onClick={cost.agree}>
            Compute the grid
          </button>
        )}
        <button type="button" onClick={() => setPatching({ site: 'heads' })}>
          Heads, at all positions
        </button>
      </p>
    </section>
  );
}

// ------------------------------------------------------------------ the grid

interface AreaProps {
  grid: Grid;
  analysis: Analysis<Grid>;
  model: ModelInfo;
  cellWidth: number;
}

function Area({ grid, analysis, model, cellWidth }: AreaProps) {
  const { table } = useSpec();
  const { corrupted } = usePatchingSpec();
  return (
    <div className={`patching ${analysis.current ? '' : 'stale'}`} aria-busy={analysis.busy}>
      <CorruptedStrip grid={grid} cellWidth={cellWidth} />
      <Readout grid={grid} model={model} />
      {table ? <PatchTable grid={grid} /> : <PatchCanvas grid={grid} cellWidth={cellWidth} />}
      <CellNote grid={grid} model={model} corrupted={corrupted} />
    </div>
  );
}

function Readout({ grid, model }: { grid: Grid; model: ModelInfo }) {
  const { edits } = useSpec();
  const some = someLayers(grid, model.n_layers);
  return (
    <div className="attribution-readout" data-testid="patching-readout">
      <p>
        <strong>{grid.objective}</strong>: clean <strong>{figures(grid.clean)}</strong>, corrupted{' '}
        <strong>{figures(grid.corrupted)}</strong>
        {figures(grid.clean) === figures(grid.corrupted)
          ? `, ${figures(grid.clean - grid.corrupted)} apart`
          : null}
        <span className="faint">
          {' '}
          {measuredWhere(grid)} · {count(grid.n_runs, 'run')} of the {grid.into} prompt,{' '}
          {count(grid.n_unchanged, 'cell')} not run: both prompts have the same there
        </span>
      </p>
      {some === null ? null : <p className="faint">{some}</p>}
      {edits.some((made) => made.enabled) ? (
        <p className="faint">Edits are no part of this grid: both prompts run as they are.</p>
      ) : null}
    </div>
  );
}
