/** The grid of layers and positions. */
import { useEffect, useMemo, useRef, useState, type RefObject } from 'react';
import { useLens, type ModelInfo } from '../api/queries';
import { Segments } from '../components/parts';
import { SaveMenu } from '../components/SaveMenu';
import { saveCsv, saveJson } from '../components/save';
import { shownSide, type Lens } from '../core/lens';
import { paintLens, type Painted } from '../core/lensPaint';
import { rowNames, shownPositions } from '../core/lensRows';
import { lensJson, lensTable } from '../core/lensText';
import { lensPython } from '../core/python';
import type { Spec } from '../core/url';
import { rowHeight, scrollTo } from '../core/zoom';
import { change, notify, useSpec, useStore } from '../state/store';
import { useTheme } from '../state/theme';
import { port } from '../state/zoom';
import { ErrorNote } from './ErrorNote';
import { useMode } from './experiment';
import { GUTTER } from './layout';
import { Legend } from './Legend';
import { LensCanvas } from './LensCanvas';
import { Cost, useCost } from './LensCost';
import { saveLensPng, saveLensSvg } from './lensFigure';
import { LensFormula } from './LensFormula';
import { LensOutcome } from './LensOutcome';
import { LensSetup, ViewToggles } from './LensSetup';
import { LensTable } from './LensTable';
import { FlipButton, lensReason } from './PredictionsView';
import type { ViewProps } from './Stage';
import { TokenStrip } from './TokenStrip';
import { ModeChoice, Status, ViewBar } from './ViewBar';

const KINDS = [
  ['top', 'Top', 'Probability of each cell’s own top token'],
  ['probability', 'Probability', 'Of the target'],
  ['logit', 'Logit', 'Of the target'],
  ['rank', 'Rank', 'Of the target; 1 is the most likely token'],
  ['kl', 'KL', 'From the final prediction'],
  ['entropy', 'Entropy', 'How undecided it is'],
] as const;

const TEXTS = [
  ['token', 'token', 'Cells show their top token'],
  ['value', '0.12', 'Cells show the number that colours them'],
] as const;

/** Axis, strip and legend beside the grid, px. */
const AROUND_GRID = 24 + 44 + 52;

export function LensView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const theme = useTheme((state) => state.theme);
  const mode = useMode();
  const place = useRef<HTMLDivElement>(null);
  const room = useHeight(place) - AROUND_GRID;
  const length = experiment.tokens?.length ?? 0;
  const capable =
    model?.capabilities.find((capability) => capability.name === 'lens')?.available ?? true;
  const cost = useCost(model, length);
  const positions = usePositions(length);
  const analysis = useLens(
    spec,
    positions,
    model !== null && capable && experiment.tokens !== null && cost.agreed,
  );
  const { data } = analysis;
  const { kind, text } = spec;
  const painted = useMemo(
    () => (data && model ? paintLens(data, { kind, text }, mode, model.vocab_size, theme) : null),
    [data, model, kind, text, mode, theme],
  );
  const stale = data !== null && !analysis.current;
  const error = experiment.error ?? analysis.error;
  const choose = (chosen: number[] | null) => choosePositions(chosen, length);
  const strip = (below: boolean) => (
    <TokenStrip
      experiment={experiment}
      cellWidth={cellWidth}
      range={{ shown: shownPositions(spec.positions, length) ?? [], choose }}
      below={below}
    />
  );
  const outcomes = (below: boolean) =>
    data ? (
      <LensOutcome
        lens={data}
        side={shownSide(data, mode).values}
        cellWidth={cellWidth}
        position={experiment.position}
        below={below}
      />
    ) : (
      <div className={`outcome ${below ? 'below' : ''}`} />
    );
  const placed = data && painted;
  return (
    <>
      <ViewBar
        status={
          <Status kind="lens" analysis={analysis} waiting={experiment.waiting && cost.agreed} />
        }
      >
        <ModeChoice difference="Difference" />
        <Segments
          name="kind"
          label="What colours a cell"
          value={kind}
          options={KINDS}
          onChange={(chosen) => change({ kind: chosen }, 'replace')}
        />
        <Segments
          name="text"
          label="What a cell says"
          value={text}
          options={TEXTS}
          onChange={(chosen) => change({ text: chosen }, 'replace')}
        />
        {placed && model ? (
          <LensSave lens={data} painted={painted} mode={mode} model={model} />
        ) : null}
        {data ? <LensFormula lens={data} column={columnAt(data, experiment.position)} /> : null}
      </ViewBar>
      {model && capable ? (
        <LensSetup model={model} length={length} choosePositions={choose}>
          <FlipButton />
          <ViewToggles />
        </LensSetup>
      ) : null}
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={data !== null}
      />
      {capable ? null : <NoLens reason={lensReason(model)} />}
      {capable && !cost.agreed ? <Cost cost={cost} length={length} /> : null}
      <div ref={place} className={`lens ${stale ? 'stale' : ''}`} aria-busy={analysis.busy}>
        {spec.table || spec.flipped ? strip(false) : outcomes(false)}
        {placed ? (
          spec.table ? (
            <LensTable lens={data} mode={mode} />
          ) : (
            <LensCanvas
              lens={data}
              painted={painted}
              mode={mode}
              experiment={experiment}
              cellWidth={cellWidth}
              room={room}
            />
          )
        ) : (
          <LensPlace
            model={error || !capable || !cost.agreed ? null : model}
            columns={length}
            cellWidth={cellWidth}
            room={room}
          />
        )}
        {spec.table ? null : spec.flipped ? outcomes(true) : strip(true)}
        {painted && !spec.table ? (
          <Legend scale={painted.scale} marks={mode === 'difference'}>
            <Unread position={experiment.position} shown={positions} />
          </Legend>
        ) : null}
      </div>
    </>
  );
}

interface SaveProps {
  lens: Lens;
  painted: Painted;
  mode: Spec['mode'];
  model: ModelInfo;
}

function LensSave({ lens, painted, mode, model }: SaveProps) {
  const spec = useSpec();
  const theme = useTheme((state) => state.theme);
  const figure = { lens, painted, mode, spec, model: model.name, theme };
  return (
    <SaveMenu
      csv={() => saveCsv('lens.csv', lensTable(lens))}
      json={() => saveJson('lens.json', lensJson(spec, lens))}
      png={() => void saveLensPng(figure)}
      svg={() => saveLensSvg(figure)}
      python={() => lensPython(model.name, spec)}
    />
  );
}

// ------------------------------------------------------------------ positions

/** Those to ask for; null: all. Says so where none of those chosen is in the prompt. */
function usePositions(length: number): number[] | null {
  const { positions } = useSpec();
  const key = positions?.join() ?? '';
  const shown = useMemo(
    () => (length === 0 ? null : shownPositions(positions, length)),
    // The list is new at each reading of the address, and may be the same.
    // oxlint-disable-next-line react/exhaustive-deps
    [key, length],
  );
  const none = positions !== null && length > 0 && shown === null;
  useEffect(() => {
    if (none) notify('None of the chosen positions is in this prompt: all are read.');
  }, [none]);
  const [first, last] = [shown?.[0] ?? 0, shown?.at(-1) ?? 0];
  const part = positions !== null && shown !== null && shown.length < length;
  useEffect(() => {
    if (part) reveal(first, last);
  }, [part, first, last]);
  return part ? shown : null;
}

/** Scrolls to what is read, unless some of it is in sight already. */
function reveal(first: number, last: number): void {
  const { scrollX } = useStore.getState();
  const seen =
    last * port.cellWidth >= scrollX && (first + 1) * port.cellWidth <= scrollX + port.width;
  if (!seen) useStore.setState({ scrollX: scrollTo(first, last, port.cellWidth, port.width) });
}

/** The chosen position moves along where it would be left out. */
function choosePositions(chosen: number[] | null, length: number): void {
  const { position } = useStore.getState();
  const shown = shownPositions(chosen, length);
  if (!shown || shown.length === length) return change({ positions: null });
  const nearest = shown.reduce((best, at) =>
    Math.abs(at - (position ?? 0)) < Math.abs(best - (position ?? 0)) ? at : best,
  );
  change({ positions: shown, position: nearest });
}

/** The chosen position is not among those that are read. */
function Unread({ position, shown }: { position: number | null; shown: number[] | null }) {
  if (position === null || !shown || shown.includes(position)) return null;
  const wider = [...shown, position].toSorted((a, b) => a - b);
  return (
    <span data-testid="unread">
      Position {position} is not read.{' '}
      <button type="button" className="link" onClick={() => change({ positions: wider })}>
        Read it too
      </button>
    </span>
  );
}

function columnAt(lens: Lens, position: number | null): number {
  const column = position === null ? -1 : (lens.columnOf[position] ?? -1);
  return column < 0 ? lens.columns - 1 : column;
}

// ------------------------------------------------------------------ places

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

interface PlaceProps {
  model: ModelInfo | null;
  columns: number;
  cellWidth: number;
  room: number;
}

/** Keeps the place that the grid will take. */
function LensPlace({ model, columns, cellWidth, room }: PlaceProps) {
  const spec = useSpec();
  const rows = model ? rowNames(model, spec).length : 0;
  const height = rows * rowHeight(cellWidth, rows, room);
  return (
    <div
      className="lens-place"
      aria-hidden="true"
      style={{ height, width: columns * cellWidth, marginLeft: GUTTER }}
    />
  );
}

function useHeight(place: RefObject<HTMLElement | null>): number {
  const [height, setHeight] = useState(600);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => setHeight(entry?.contentRect.height ?? 0));
    observer.observe(element);
    return () => observer.disconnect();
  }, [place]);
  return height;
}
