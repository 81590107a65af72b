/** Who looks at whom: tokens left and right with curves between them, the matrix, and all heads in small. */
import { useMemo, useState, type ReactNode } from 'react';
import { PROMPTS as TWO, type Attention } from '../../draw/attention/data';
import { comparable, panelModes } from '../../draw/attention/pattern';
import type { AttentionShown } from '../../draw/attention/shown';
import { attentionJson, attentionLines } from '../../draw/attention/text';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Segments } from '../../shared/parts/parts';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { SaveMenu } from '../../shared/parts/SaveMenu';
import { FlipButton, ViewToggles } from '../../shared/parts/toggles';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { ModeChoice, Status, ViewBar } from '../../shared/parts/ViewBar';
import { useMode } from '../../shared/state/experiment';
import { useSpec } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import type { Spec } from '../../shared/text/url';
import type { ViewProps } from '../../shared/view';
import { useAsked, usePreview, useRated, type Preview } from './asking';
import { AttentionArea } from './AttentionArea';
import { TooLarge } from './AttentionCost';
import { saveAttentionPng, saveAttentionSvg } from './attentionFigure';
import { AttentionFormula } from './AttentionFormula';
import { AttentionSetup } from './AttentionSetup';
import { setAttention, useAttentionSpec } from './attentionState';
import { HeadPanel } from './HeadPanel';
import { partOf } from './picks';
import { useAttention, useHeadScores, useThumbnails } from './query';

/** Scores of longer prompts take a while: they are asked for when heads are sorted by them. */
const SCORED_AT_ONCE = 256;

export function AttentionView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const { position } = experiment;
  const length = experiment.tokens?.length ?? 0;
  const ready = model !== null && length > 0;
  const rated = useRated(position);
  const asked = useAsked(model, experiment, rated);
  const edited = spec.edits.some((made) => made.enabled);
  const own = useMode();
  // Both prompts have the edits.
  const mode = asked.other ? (edited ? 'edited' : 'baseline') : own;
  const analysis = useAttention('attention', spec, asked.heads, asked.body);
  const [head, setHead] = useState<string | null>(null);
  const shown = useShown(analysis.data, usePreview(asked, head), asked.other !== null);
  // One thread computes: the picture comes first, then what stands beside it.
  const drawn = ready && (analysis.current || analysis.error !== null);
  const part = partOf(asked.heads);
  const sorts = spec.attention.order !== 'layer';
  const scores = useHeadScores(spec, part, drawn && (sorts || length <= SCORED_AT_ONCE));
  const thumbnails = useThumbnails(spec, part, drawn);
  const error = experiment.error ?? analysis.error;
  return (
    <>
      <AttentionBar
        shown={shown}
        model={model}
        two={asked.other !== null}
        status={
          <Status
            kind="attention"
            analysis={analysis}
            waiting={experiment.waiting || asked.waiting}
          />
        }
      />
      {model ? (
        <AttentionSetup
          model={model}
          heads={asked.heads}
          scores={scores.data}
          rated={rated}
          position={position}
          length={length}
        >
          <FlipButton />
          <ViewToggles />
        </AttentionSetup>
      ) : null}
      <TokenStrip experiment={experiment} cellWidth={cellWidth} />
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={analysis.data !== null}
      />
      <div className="attention">
        {model && ready ? (
          <HeadPanel
            model={model}
            heads={asked.heads}
            thumbnails={thumbnails.data}
            stale={thumbnails.data !== null && !thumbnails.current}
            scores={scores.data}
            mode={mode}
            preview={setHead}
            problem={
              <>
                <Problem of={thumbnails} />
                <Problem of={scores} />
              </>
            }
          />
        ) : null}
        <div
          className={`attention-area ${analysis.data && !analysis.current ? 'stale' : ''}`}
          aria-busy={analysis.busy}
        >
          {asked.over && model ? (
            <TooLarge
              cost={asked.over}
              limit={model.limits.max_attention_numbers}
              heads={asked.heads}
              length={length}
            />
          ) : null}
          {shown && model && !asked.over ? (
            <AttentionArea shown={shown} model={model} heads={asked.heads} />
          ) : null}
        </div>
      </div>
    </>
  );
}

function Problem({ of }: { of: Analysis<unknown> }) {
  return <ErrorNote error={of.error} retry={of.retry} stale={of.data !== null} />;
}

/** The answer, or the head that is pointed at in its place, as it is drawn. */
function useShown(
  data: Attention | null,
  preview: Preview | null,
  two: boolean,
): AttentionShown | null {
  const mode = useMode(two);
  const { layout, versus, focus } = useAttentionSpec();
  const theme = useTheme((state) => state.theme);
  const attention = preview?.attention ?? data;
  const head = preview && !preview.attention ? preview.head : null;
  return useMemo(() => {
    if (!attention) return null;
    const apart = versus === 'beside' || (attention.edited !== null && !comparable(attention));
    const drawn = mode === 'difference' && apart ? 'beside' : mode;
    return { attention, mode: drawn, layout, theme, focus, head };
  }, [attention, head, mode, versus, layout, theme, focus]);
}

// ------------------------------------------------------------------ bar

const LAYOUTS = [
  ['columns', 'Curves', 'Tokens left and right, a curve for each pair that is kept'],
  ['matrix', 'Matrix', 'Every pair as a square'],
  ['both', 'Both', 'Curves and matrix, one beside the other'],
] as const;

const VERSUS = [
  ['difference', 'Change', 'Edited less baseline'],
  ['beside', 'Side by side', 'Baseline and edited, one beside the other'],
] as const;

const VERSUS_OTHER = [
  ['difference', 'Difference', 'The other prompt less this one'],
  ['beside', 'Side by side', 'Both prompts, one beside the other'],
] as const;

interface BarProps {
  shown: AttentionShown | null;
  model: ModelInfo | null;
  /** Of two prompts, not of the baseline and the edited run. */
  two: boolean;
  status: ReactNode;
}

const PROMPTS = ['This prompt', 'Other prompt'] as const;

function AttentionBar({ shown, model, two, status }: BarProps) {
  const { layout, versus } = useAttentionSpec();
  const mode = useMode(two);
  return (
    <ViewBar status={status}>
      <ModeChoice difference="Compared" prompts={two ? PROMPTS : null} />
      {mode === 'difference' ? (
        <Segments
          name="versus"
          label="How both are shown"
          value={versus}
          options={two ? VERSUS_OTHER : VERSUS}
          onChange={(value) => setAttention({ versus: value }, 'replace')}
        />
      ) : null}
      <Segments
        name="layout"
        label="How attention is drawn"
        value={layout}
        options={LAYOUTS}
        onChange={(value) => setAttention({ layout: value }, 'replace')}
      />
      {shown && model ? <AttentionSave shown={shown} model={model} /> : null}
      {shown ? (
        <AttentionFormula
          attention={shown.attention}
          mode={panelModes(shown.attention, shown.mode).at(-1) ?? 'baseline'}
          head={shown.head}
        />
      ) : null}
    </ViewBar>
  );
}

/** The prompt; of two prompts both. */
function headingOf({ prompt, attention }: Spec, { attention: { names } }: AttentionShown): string {
  return names === TWO ? `${prompt} | ${attention.against}` : prompt;
}

function AttentionSave({ shown, model }: { shown: AttentionShown; model: ModelInfo }) {
  const spec = useSpec();
  const figure = { shown, heading: headingOf(spec, shown), model: model.name };
  return (
    <SaveMenu
      csv={() => saveCsv('attention.csv', attentionLines(shown.attention))}
      json={() => saveJson('attention.json', attentionJson(spec, shown.attention))}
      png={() => void saveAttentionPng(figure)}
      svg={() => saveAttentionSvg(figure)}
      model={model}
    />
  );
}
