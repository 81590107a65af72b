/** One layer, or several, taken apart at one token: what is read, fetched, written; and what a cut changes. */
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { useFlowGraph, type FlowComparison } from './query';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { cutAt } from '../../shared/text/editList';
import { decodeFlow, type Flow as Graph } from '../../draw/flow/data';
import type { FlowDrawing } from '../../draw/flow/scene';
import { figureNote, flowTable } from '../../draw/flow/text';
import { hiddenKinds } from './flowState';
import type { Spec } from '../../shared/text/url';
import { flowPort, setFlow, useFlowSpec } from './flowing';
import { hidePeek, showPeek } from '../../shared/state/peek';
import { change, useSpec } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { useMode } from '../../shared/state/experiment';
import { cuttingOf, FlowMenu, FlowSelected, itemOf, type Cutting } from './FlowActions';
import { FlowCanvas } from './FlowCanvas';
import { FlowEffects } from './FlowEffects';
import { saveFlowPng, saveFlowSvg } from './flowFigure';
import { FlowFormula } from './FlowFormula';
import { FlowLegend } from './FlowLegend';
import { flowPeek } from './flowPeek';
import { FlowReadout } from './FlowReadout';
import { FlowSetup } from './FlowSetup';
import { FlowTable } from './FlowTable';
import { ViewToggles } from '../../shared/parts/toggles';
import type { ViewProps } from '../../shared/view';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { ModeChoice, Status, ViewBar } from '../../shared/parts/ViewBar';

export function FlowView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const analysis = useFlowGraph(
    spec,
    experiment.position,
    model?.n_layers ?? 0,
    model !== null && experiment.tokens !== null,
  );
  const graph = useMemo(() => (analysis.data ? decodeFlow(analysis.data) : null), [analysis.data]);
  const shown = useShown(graph, model);
  const error = experiment.error ?? analysis.error;
  const token = graph && spec.target === '' ? (graph.target.tokens[0] ?? null) : null;
  return (
    <>
      <FlowBar
        shown={shown}
        answer={analysis.data}
        status={<Status kind="flow" analysis={analysis} waiting={experiment.waiting} />}
      />
      {model ? (
        <FlowSetup
          model={model}
          token={token ?? graph?.target.tokens[0] ?? null}
          label={graph && graph.target.tokens.length === 0 ? graph.target.text : null}
          position={experiment.position}
        >
          <ViewToggles />
        </FlowSetup>
      ) : null}
      <TokenStrip experiment={experiment} cellWidth={cellWidth} />
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={graph !== null}
      />
      <FlowArea shown={shown} analysis={analysis} awaited={error === null} />
    </>
  );
}

/** An answer, and how it is drawn. */
interface Shown {
  graph: Graph;
  model: ModelInfo;
  mode: Spec['mode'];
  cutting: Cutting;
  side: 'baseline' | 'edited';
  drawing: FlowDrawing;
}

function useShown(graph: Graph | null, model: ModelInfo | null): Shown | null {
  const { flow } = useSpec();
  const mode = useMode();
  const theme = useTheme((state) => state.theme);
  const { hidden: groups, colour, palette, focus: chosen } = flow;
  const hidden = useMemo(() => hiddenKinds(groups), [groups]);
  const cutting = useCutting(graph);
  return useMemo(() => {
    if (!graph || !model || !cutting) return null;
    const side = mode === 'baseline' || !graph.edited ? 'baseline' : 'edited';
    const drawing: FlowDrawing = {
      flow: graph[side] ?? graph.baseline,
      other: graph.edited && (side === 'baseline' ? graph.edited : graph.baseline),
      mode,
      colourBy: colour,
      palette,
      theme,
      hidden,
      focus: itemOf(graph, chosen) ? chosen : null,
      cuts: cutting.cuts,
      vocabSize: model.vocab_size,
    };
    return { graph, model, mode, cutting, side, drawing };
  }, [graph, model, mode, cutting, colour, palette, theme, hidden, chosen]);
}

function useCutting(graph: Graph | null): Cutting | null {
  const { edits } = useSpec();
  return useMemo(() => {
    if (!graph) return null;
    const cuts = new Set(
      [...graph.baseline.nodes, ...graph.baseline.links]
        .filter(({ cut }) => cut && cutAt(edits, cut, graph.tokens.length) >= 0)
        .map(({ id }) => id),
    );
    return cuttingOf(graph, cuts);
  }, [graph, edits]);
}

// ------------------------------------------------------------------ bar

interface BarProps {
  shown: Shown | null;
  answer: FlowComparison | null;
  status: ReactNode;
}

function FlowBar({ shown, answer, status }: BarProps) {
  return (
    <ViewBar status={status}>
      <ModeChoice difference="Difference" />
      {shown && answer ? <FlowSave {...shown} answer={answer} /> : null}
      {shown ? <FlowFormula graph={shown.graph} /> : null}
    </ViewBar>
  );
}

function FlowSave({ graph, model, mode, drawing, answer }: Shown & { answer: FlowComparison }) {
  const spec = useSpec();
  const figure = { drawing, heading: spec.prompt, note: figureNote(graph, model.name, mode) };
  return (
    <SaveMenu
      csv={() => saveCsv('flow.csv', flowTable(graph))}
      json={() => saveJson('flow.json', { spec, answer })}
      png={() => void saveFlowPng(figure)}
      svg={() => saveFlowSvg(figure)}
      model={model}
    />
  );
}

// ------------------------------------------------------------------ picture

interface AreaProps {
  shown: Shown | null;
  analysis: Analysis<FlowComparison>;
  awaited: boolean;
}

function FlowArea({ shown, analysis, awaited }: AreaProps) {
  const { table } = useSpec();
  const stale = analysis.data !== null && !analysis.current;
  usePort(shown);
  if (!shown) return <div className="flow-place" aria-hidden="true" data-awaited={awaited} />;
  const { side } = shown;
  return (
    <div className={`flow ${stale ? 'stale' : ''}`} aria-busy={analysis.busy}>
      <FlowReadout
        graph={shown.graph}
        side={side}
        depth={shown.model.n_layers}
        current={analysis.current}
      />
      {table ? <FlowTable {...shown} /> : <Picture {...shown} />}
      <FlowSelected {...shown} />
      <FlowEffects graph={shown.graph} most={shown.model.limits.max_measured_cuts} />
      {table ? null : <FlowLegend {...shown} />}
    </div>
  );
}

/** What x, [ and ] act on while the graph itself has no focus. */
function usePort(shown: Shown | null): void {
  const { focus } = useFlowSpec();
  useEffect(() => {
    flowPort.depth = shown?.model.n_layers ?? 0;
    flowPort.cutFocus = shown && focus !== null ? () => shown.cutting.toggle(focus) : null;
    return () => void Object.assign(flowPort, { depth: 0, cutFocus: null });
  }, [shown, focus]);
}

function Picture({ graph, mode, cutting, drawing }: Shown) {
  const [menu, setMenu] = useState<{ id: string | null; at: { x: number; y: number } } | null>(
    null,
  );
  const [reset, putBack] = useReset(graph.layers.join());
  return (
    <div className="flow-picture">
      <FlowCanvas
        drawing={drawing}
        events={{
          hover: (id, at) => peekAt(id, at, { graph, mode, cutting }),
          focus: chooseFocus,
          open: (id) => openOrFocus(graph, id),
          cut: cutting.toggle,
          menu: (id, at) => {
            hidePeek();
            setMenu({ id, at });
          },
        }}
        reset={reset}
      />
      {menu ? (
        <FlowMenu
          {...menu}
          graph={graph}
          cutting={cutting}
          putBack={putBack}
          close={() => setMenu(null)}
        />
      ) : null}
    </div>
  );
}

/** A number that changes with other layers, and by hand: all is then shown again, in its place. */
function useReset(layers: string): [reset: number, putBack: () => void] {
  const [drawn, setDrawn] = useState({ layers, count: 0 });
  if (drawn.layers !== layers) setDrawn({ layers, count: drawn.count + 1 });
  return [drawn.count, () => setDrawn(({ count }) => ({ layers, count: count + 1 }))];
}

function chooseFocus(id: string | null): void {
  setFlow({ focus: id }, 'replace');
}

/** What has a page of its own opens in the drawer; everything is brought into focus. */
function openOrFocus(graph: Graph, id: string): void {
  const node = graph.baseline.nodeOf.get(id);
  chooseFocus(id);
  if (node?.address) change({ node: node.address });
}

function peekAt(
  id: string | null,
  at: { x: number; y: number } | null,
  { graph, mode, cutting }: Pick<Shown, 'graph' | 'mode' | 'cutting'>,
): void {
  if (id === null || at === null) return hidePeek();
  const cut = cutting.possible(id)
    ? {
        label: cutting.cuts.has(id) ? 'Take the cut back' : 'Cut',
        run: () => cutting.toggle(id),
      }
    : null;
  const content = flowPeek(id, { graph, mode, cut });
  const anchor = { left: at.x, right: at.x + 8, top: at.y, bottom: at.y };
  if (content) showPeek(anchor, content);
}
