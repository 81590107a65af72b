/** What comes next, and what each layer would say if the model stopped there. */
import { lazy, Suspense } from 'react';
import { usePredictions, type ModelInfo } from '../../shared/api/queries';
import { Formula } from '../../shared/parts/Formula';
import { saveCsv, saveJson } from '../../shared/parts/save';
import { predictionsTable, type Predictions } from '../../shared/text/predictions';
import { toggleLayers } from './predictionsState';
import { useUpdates } from './query';
import { updatesTable } from './updates';
import { change, useSpec } from '../../shared/state/store';
import { Icon, Segments } from '../../shared/parts/parts';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { useMode } from '../../shared/state/experiment';
import { LayerTable } from './LayerTable';
import { NextToken } from './NextToken';
import { FlipButton } from '../../shared/parts/toggles';
import { reasonOf, type ViewProps } from '../../shared/view';
import { TokenStrip } from '../../shared/parts/TokenStrip';
import { ModeChoice, Status, ViewBar } from '../../shared/parts/ViewBar';

const SaveMenu = lazy(async () => ({
  default: (await import('../../shared/parts/SaveMenu')).SaveMenu,
}));
const Continuation = lazy(() => import('../../shared/parts/Continuation'));

export function PredictionsView({ model, experiment, cellWidth }: ViewProps) {
  const spec = useSpec();
  const analysis = usePredictions(spec, experiment.position);
  const mode = useMode();
  const { data } = analysis;
  const stale = data !== null && !analysis.current;
  const error = experiment.error ?? analysis.error;
  const opened = spec.predictions.open.length > 0;
  const updates = useUpdates(
    spec,
    experiment.position,
    analysis.current && !!data?.baseline.layers,
  );
  return (
    <>
      <ViewBar
        status={
          opened && analysis.current && (updates.busy || updates.cancelled) ? (
            <Status kind="updates" analysis={updates} />
          ) : (
            <Status kind="predictions" analysis={analysis} waiting={experiment.waiting} />
          )
        }
      >
        <ModeChoice difference="Both" />
        <span className="faint top-label">top</span>
        <Segments
          name="k"
          label="Tokens listed"
          value={String(spec.k)}
          options={(['5', '10', '20', '50'] as const).map(
            (value) => [value, value, `List the top ${value}`] as const,
          )}
          onChange={(value) => change({ k: Number(value) }, 'replace')}
        />
        <OpenAll />
        <FlipButton />
        {data && model ? (
          <PredictionsSave data={data} updates={updates.data} model={model} />
        ) : null}
        {data ? <PredictionsFormula data={data} /> : null}
      </ViewBar>
      <TokenStrip experiment={experiment} cellWidth={cellWidth} />
      <ErrorNote
        error={error}
        retry={experiment.error ? experiment.retry : analysis.retry}
        stale={data !== null}
      />
      {spec.generation ? (
        <Suspense fallback={null}>
          <Continuation generation={spec.generation} />
        </Suspense>
      ) : null}
      <div className={`predictions ${stale ? 'stale' : ''}`} aria-busy={analysis.busy}>
        <div className="next-column">
          {data ? (
            <NextToken data={data} mode={mode} kind={model?.kind ?? 'causal'} />
          ) : error ? null : (
            <Placeholder />
          )}
        </div>
        {data?.baseline.layers ? (
          <LayerTable data={data} updates={updates} mode={mode} model={model} />
        ) : null}
        {data || error ? null : (
          <div
            className="layers-place"
            aria-hidden="true"
            style={{ height: (model?.n_layers ?? 0) * 26 }}
          />
        )}
        {data && !data.baseline.layers ? <NoLens reason={reasonOf(model, 'lens')} /> : null}
      </div>
    </>
  );
}

function NoLens({ reason }: { reason: string }) {
  return (
    <section className="no-lens" data-testid="no-lens">
      <h2>What single layers predict cannot be shown for this model</h2>
      <p>{reason}</p>
      <p className="faint">
        A wrong number is worse than none. The prediction of the whole model, to the left, needs no
        such reading.
      </p>
    </section>
  );
}

/** Keeps the places that the answer will take. */
function Placeholder() {
  return (
    <section className="next-token placeholder" aria-hidden="true">
      {Array.from({ length: 8 }, (_, line) => (
        <span key={line} />
      ))}
    </section>
  );
}

function OpenAll() {
  const { open } = useSpec().predictions;
  const some = open === 'all' || open.length > 0;
  return (
    <button
      type="button"
      className="quiet"
      data-testid="open-all"
      title={
        some
          ? 'One line for each layer (Shift L)'
          : 'Take every layer apart: tokens, heads, neurons (Shift L)'
      }
      onClick={toggleLayers}
    >
      {some ? 'close layers' : 'open layers'}
    </button>
  );
}

interface SaveProps {
  data: Predictions;
  updates: Predictions | null;
  model: ModelInfo;
}

function PredictionsSave({ data, updates, model }: SaveProps) {
  const spec = useSpec();
  return (
    <Suspense fallback={<SaveButton />}>
      <SaveMenu
        csv={() => saveCsv('predictions.csv', predictionsTable(data))}
        json={() => saveJson('predictions.json', { spec, answer: data, updates })}
        {...(updates ? { parts: () => saveCsv('sub-updates.csv', updatesTable(updates)) } : {})}
        model={model}
      />
    </Suspense>
  );
}

function PredictionsFormula({ data }: { data: Predictions }) {
  const { next_token: next } = data.baseline;
  const best = next.top[0];
  return (
    <Formula
      title="How predictions are computed"
      lines={[
        {
          name: 'next token',
          formula: 'p(t) = exp(logit_t) / Σ exp(logit)',
          ...(best
            ? {
                value: `${best.probability.toPrecision(6)} for ${best.token.label}, logit ${best.logit.toFixed(3)}`,
              }
            : {}),
          note: 'Softmax over the whole vocabulary, not over the tokens listed.',
        },
        {
          name: 'a layer',
          formula: 'p_layer = softmax( W_U · norm_final(residual) )',
          note: 'The logit lens: the residual stream of the layer goes through the final norm and the unembedding, as if it were the last. The line under a cell is as long as the target is likely, or the best token where there is no target.',
        },
        {
          name: 'attn, mlp',
          formula: 'argmax_i | score_i |',
          note: 'The head and the neuron that wrote most in the layer; open the layer for all that did.',
        },
        {
          name: 'rank',
          formula: 'rank(t) = 1 + how many tokens have a higher logit',
          note: '#1 is the most likely token.',
        },
        {
          name: 'entropy H',
          formula: '−Σ p ln p',
          value: `${next.entropy.toFixed(4)} nats for the next token`,
          note: '0 is certain.',
        },
        ...(data.kl === null || data.kl === undefined
          ? []
          : [
              {
                name: 'KL',
                formula: 'Σ p_baseline ln( p_baseline / p_edited )',
                value: `${data.kl.toPrecision(5)} nats`,
                note: 'How far the edits move the distribution; 0 is not at all.',
              },
            ]),
      ]}
    />
  );
}

/** Where the menu will be: it is no part of what is loaded first. */
function SaveButton() {
  return (
    <button type="button" className="quiet" disabled>
      Save <Icon name="down" />
    </button>
  );
}
