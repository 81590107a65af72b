/** The grid of layers and positions. */
import { useEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { shownSide, type Lens } from '../../draw/lens/data';
import { paintLens, type Painted } from '../../draw/lens/paint';
import { rowNames, shownPositions } from './lensRows';
import { lensJson, lensTable } from '../../draw/lens/text';
import { span } from '../../draw/strip';
import type { Spec } from '../../shared/text/url';
import { GUTTER, rowHeight, scrollTo } from '../../draw/zoom';
import { change, notify, useSpec, useStore } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { port } from '../../shared/state/zoom';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { useMode, type Experiment } from '../../shared/state/experiment';
import { Legend } from './Legend';
import { LensCanvas } from './LensCanvas';
import { Cost, useCost } from './LensCost';
import { saveLensPng, saveLensSvg } from './lensFigure';
import { LensFormula } from './LensFormula';
import { LensOutcome } from './LensOutcome';
import { LensSetup } from './LensSetup';
import { setLens } from './lensState';
import { LensTable } from './LensTable';
import { useLens } from './query';
import { FlipButton, ViewToggles } from '../../shared/parts/toggles';
import type { ViewProps } from '../../shared/view';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { ModeChoice, Status, ViewBar } from '../../shared/parts/ViewBar';

const KINDS = [
  ['top', 'Top', 'Probability of each cell’s own top token'],
  ['probability', 'Probability', 'Of the target'],
  ['logit', 'Logit', 'Of the target'],
  ['rank', 'Rank', 'Of the target; 1 is the most likely token'],
  ['kl', 'KL', 'From the final prediction'],
  ['entropy', 'Entropy', 'How undecided it is'],
] as const;

/** Where the target is an objective other than a logit: probability and rank are of its first token. */
const OF_OBJECTIVE = KINDS.map((one) =>
  one[0] === 'logit' ? (['logit', 'Objective', 'What the target spells'] as const) : one,
);

const TEXTS = [
  ['token', 'token', 'Cells show their top token'],
  ['value', '0.12', 'Cells show the number that colours them'],
] as const;

/** Axis, strip and legend beside the grid, px. */
const AROUND_GRID = 24 + 44 + 52;

export function LensView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const mode = useMode();
  const length = experiment.tokens?.length ?? 0;
  const cost = useCost(model, length);
  const positions = usePositions(length);
  const analysis = useLens(
    spec,
    positions,
    model?.vocab_size ?? 0,
    model !== null && experiment.tokens !== null && cost.agreed,
  );
  const { data } = analysis;
  const painted = usePainted(data, model, mode);
  const error = experiment.error ?? analysis.error;
  const choose = (chosen: number[] | null) => choosePositions(chosen, length);
  const shown = data && painted && model ? { lens: data, painted, mode, model } : null;
  return (
    <>
      <LensBar
        shown={shown}
        position={experiment.position}
        status={
          <Status kind="lens" analysis={analysis} waiting={experiment.waiting && cost.agreed} />
        }
      />
      {model ? (
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
      {cost.agreed ? null : <Cost cost={cost} length={length} />}
      <LensArea
        shown={shown}
        awaited={error || !cost.agreed ? null : model}
        stale={data !== null && !analysis.current}
        busy={analysis.busy}
        experiment={experiment}
        cellWidth={cellWidth}
        positions={positions}
        choose={choose}
      />
    </>
  );
}

/** An answer, and how it is drawn. */
interface Shown {
  lens: Lens;
  painted: Painted;
  mode: Spec['mode'];
  model: ModelInfo;
}

function usePainted(
  data: Lens | null,
  model: ModelInfo | null,
  mode: Spec['mode'],
): Painted | null {
  const { kind, text, clipped } = useSpec().lens;
  const theme = useTheme((state) => state.theme);
  return useMemo(
    () =>
      data && model
        ? paintLens(data, { kind, text, clipped }, mode, model.vocab_size, theme)
        : null,
    [data, model, kind, text, clipped, mode, theme],
  );
}

// ------------------------------------------------------------------ bar

interface BarProps {
  shown: Shown | null;
  position: number | null;
  status: ReactNode;
}

function LensBar({ shown, position, status }: BarProps) {
  const { kind, text } = useSpec().lens;
  return (
    <ViewBar status={status}>
      <ModeChoice difference="Difference" />
      <Segments
        name="kind"
        label="What colours a cell"
        value={kind}
        options={shown?.lens.baseline.objective ? OF_OBJECTIVE : KINDS}
        onChange={(chosen) => setLens({ kind: chosen }, 'replace')}
      />
      <Segments
        name="text"
        label="What a cell says"
        value={text}
        options={TEXTS}
        onChange={(chosen) => setLens({ text: chosen }, 'replace')}
      />
      {shown ? <LensSave {...shown} /> : null}
      {shown ? <LensFormula lens={shown.lens} column={columnAt(shown.lens, position)} /> : null}
    </ViewBar>
  );
}

function LensSave({ lens, painted, mode, model }: Shown) {
  const spec = useSpec();
  const theme = useTheme((state) => state.theme);
  const { prompt: heading, flipped } = spec;
  const figure = { lens, painted, mode, heading, flipped, model: model.name, theme };
  return (
    <SaveMenu
      csv={() => saveCsv('lens.csv', lensTable(lens))}
      json={() => saveJson('lens.json', lensJson(spec, lens))}
      png={() => void saveLensPng(figure)}
      svg={() => saveLensSvg(figure)}
      model={model}
    />
  );
}

function columnAt(lens: Lens, position: number | null): number {
  const column = position === null ? -1 : (lens.columnOf[position] ?? -1);
  return column < 0 ? lens.columns - 1 : column;
}

// ------------------------------------------------------------------ grid and axes

interface AreaProps {
  shown: Shown | null;
  /** The model whose answer is on its way. */
  awaited: ModelInfo | null;
  stale: boolean;
  busy: boolean;
  experiment: Experiment;
  cellWidth: number;
  positions: number[] | null;
  choose: (positions: number[] | null) => void;
}

/** What the model says above, what it reads below; turned round with the layers. */
function LensArea({ shown, awaited, stale, busy, positions, choose, ...common }: AreaProps) {
  const { table, flipped } = useSpec();
  const place = useRef<HTMLDivElement>(null);
  const room = useHeight(place) - AROUND_GRID;
  const { experiment, cellWidth } = common;
  const length = experiment.tokens?.length ?? 0;
  const strip = (
    <TokenStrip
      {...common}
      range={{ shown: positions ?? (length > 0 ? span(0, length - 1) : []), choose }}
      below={!table && !flipped}
    />
  );
  const outcomes = shown ? (
    <LensOutcome
      lens={shown.lens}
      side={shownSide(shown.lens, shown.mode).values}
      cellWidth={cellWidth}
      position={experiment.position}
    />
  ) : (
    <div className="axis" />
  );
  return (
    <div ref={place} className={`lens ${stale ? 'stale' : ''}`} aria-busy={busy}>
      {table || flipped ? strip : outcomes}
      {shown && table ? <LensTable lens={shown.lens} mode={shown.mode} /> : null}
      {shown && !table ? <LensCanvas {...shown} {...common} room={room} /> : null}
      {shown ? null : <LensPlace model={awaited} columns={length} room={room} width={cellWidth} />}
      {table ? null : flipped ? outcomes : strip}
      {shown && !table ? (
        <Legend scale={shown.painted.scale} marks={shown.mode === 'difference'}>
          <Unread position={experiment.position} shown={positions} />
        </Legend>
      ) : null}
    </div>
  );
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

// ------------------------------------------------------------------ places

interface PlaceProps {
  model: ModelInfo | null;
  columns: number;
  /** Of a cell. */
  width: number;
  room: number;
}

/** Keeps the place that the grid will take. */
function LensPlace({ model, columns, width, room }: PlaceProps) {
  const spec = useSpec();
  const rows = model ? rowNames(model, spec.lens).length : 0;
  const height = rows * rowHeight(width, rows, room);
  return (
    <div
      className="lens-place"
      aria-hidden="true"
      style={{ height, width: columns * width, marginLeft: GUTTER }}
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
