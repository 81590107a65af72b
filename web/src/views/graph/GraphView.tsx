/** Which latents make which others, and the answer: drawn, pruned, measured, taken together. */
import { useMemo } from 'react';
import { graphData, grouped, pruned, type GraphData } from '../../draw/graph/data';
import { shownWords } from '../../draw/graph/text';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { Status, ViewBar } from '../../shared/parts/ViewBar';
import { useSpec } from '../../shared/state/store';
import { isAsked } from '../../shared/text/chat';
import type { ViewProps } from '../../shared/view';
import { GraphAside } from './GraphAside';
import { useCost } from './estimate';
import { GraphCanvas } from './GraphCanvas';
import { GraphCost } from './GraphCost';
import { CloseFile, WithoutPrompt } from './GraphFile';
import { GraphFormula } from './GraphFormula';
import { GraphSave } from './GraphSave';
import { GraphSetup } from './GraphSetup';
import { GraphTable } from './GraphTable';
import { useGraphSpec, usePassing } from './graphState';
import { isTranscoder, useSaid } from './labels';
import { NoTranscoders } from './NoTranscoders';
import {
  graphAsked,
  measurable,
  useGraph,
  useMeasuredEdge,
  useOpened,
  type EdgeAnswer,
  type GraphAnswer,
  type Opened,
} from './query';

export function GraphView({ model, experiment, cellWidth, welcome }: ViewProps) {
  const spec = useSpec();
  const { opened } = useOpened();
  const { chosen, measured } = spec.graph;
  const bare = model !== null && !model.attached.some(isTranscoder);
  const ready = model !== null && !bare && (experiment.tokens?.length ?? 0) > 0;
  const asked = graphAsked(spec, experiment.position);
  const asks = ready && opened === null && asked.asks;
  const cost = useCost(asked, asks);
  const analysis = useGraph(asked, asks && cost.begun);
  const answer = useSaid(opened?.graph ?? (bare || welcome ? null : analysis.data), model);
  const shown = useShown(answer);
  const measures = chosen !== null && measured && measurable(chosen) !== null;
  const there = chosen !== null && (shown?.whole.edgeOf.has(chosen) ?? false);
  const edge = useMeasuredEdge(
    spec,
    chosen,
    ready && opened === null && analysis.current && measures && there,
  );
  const busy =
    edge.busy || edge.cancelled
      ? (['graph-edge', edge] as const)
      : cost.busy || cost.cancelled
        ? (['estimate', cost] as const)
        : (['graph', analysis] as const);
  return (
    <>
      <ViewBar status={<Status kind={busy[0]} analysis={busy[1]} waiting={experiment.waiting} />}>
        {answer && shown && model ? (
          <GraphSave answer={answer} shown={shown.shown} whole={shown.whole} model={model} />
        ) : null}
        {answer && (opened?.own ?? true) ? <GraphFormula answer={answer} /> : null}
      </ViewBar>
      {welcome && !opened ? (
        <WithoutPrompt welcome={welcome} />
      ) : (
        <GraphSetup answer={answer} cost={cost} />
      )}
      {welcome ? null : <TokenStrip experiment={experiment} cellWidth={cellWidth} />}
      <ErrorNote
        error={experiment.error ?? (opened ? null : (cost.error ?? analysis.error))}
        retry={(experiment.error ? experiment : cost.error ? cost : analysis).retry}
        stale={answer !== null}
      />
      {bare && !opened && !welcome ? <NoTranscoders model={model} /> : null}
      {asks && !analysis.current ? <GraphCost cost={cost} busy={analysis.busy} /> : null}
      {answer && shown ? (
        <Area
          {...{ answer, opened, model, edge }}
          {...shown}
          stale={opened === null && !analysis.current}
          busy={analysis.busy}
        />
      ) : null}
    </>
  );
}

interface Shown {
  whole: GraphData;
  shown: GraphData;
}

/** Pruned where the page is, without asking again. */
function useShown(answer: GraphAnswer | null): Shown | null {
  const { nodes, edges, groups, apart } = useGraphSpec();
  const passing = usePassing();
  const whole = useMemo(() => (answer ? graphData(answer) : null), [answer]);
  const keptNodes = below(passing.nodes ?? nodes, answer?.node_threshold);
  const keptEdges = below(passing.edges ?? edges, answer?.edge_threshold);
  const fewer = useMemo(
    () => whole && pruned(whole, { nodes: keptNodes, edges: keptEdges }),
    [whole, keptNodes, keptEdges],
  );
  return useMemo(
    () => (whole && fewer ? { whole, shown: apart ? fewer : grouped(fewer, groups) } : null),
    [whole, fewer, groups, apart],
  );
}

/** Null where it is no less than there is. */
function below(part: number, most = 1): number | null {
  return part < most ? part : null;
}

interface AreaProps extends Shown {
  answer: GraphAnswer;
  opened: Opened | null;
  model: ModelInfo | null;
  edge: Analysis<EdgeAnswer>;
  stale: boolean;
  busy: boolean;
}

function Area({ answer, opened, model, edge, shown, whole, stale, busy }: AreaProps) {
  const { table } = useSpec();
  return (
    <div className={`graph ${stale ? 'stale' : ''}`} aria-busy={busy}>
      <Readout answer={answer} opened={opened} shown={shown} whole={whole} />
      {table ? <GraphTable data={shown} /> : <GraphCanvas data={shown} />}
      <GraphAside
        {...{ answer, model, edge }}
        data={shown}
        whole={whole}
        own={opened?.own ?? true}
        ofFile={opened !== null}
      />
    </div>
  );
}

function Readout({
  answer,
  opened,
  shown,
  whole,
}: Shown & { answer: GraphAnswer; opened: Opened | null }) {
  const spec = useSpec();
  return (
    <div className="attribution-readout graph-readout" data-testid="graph-readout">
      <p>
        {shownWords(shown, whole)} explain <strong>{answer.objective}</strong>
        <span className="faint">
          {' '}
          · at position {answer.position}
          {answer.cost === '' ? '' : ` · ${answer.cost}`}
        </span>
      </p>
      {opened ? (
        <p>
          Of the file <bdi className="mono">{opened.file}</bdi>
          {isAsked(spec) ? ', not of the prompt above' : ''}. <CloseFile plain />
        </p>
      ) : null}
      {answer.notes.map((note) => (
        <p key={note} className="faint">
          {note}
        </p>
      ))}
      {!opened && spec.edits.some((made) => made.enabled) ? (
        <p className="faint">Edits are no part of a graph: the prompt runs as it is.</p>
      ) : null}
    </div>
  );
}
