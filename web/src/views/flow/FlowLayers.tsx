/** Which layers are drawn, one after the other; bars say where the target becomes likely. */
import { useState } from 'react';
import { usePredictions, type ModelInfo } from '../../shared/api/queries';
import { Bar } from '../../shared/parts/parts';
import { formatPositions } from '../../shared/text/edits';
import { probability, signed } from '../../draw/format';
import { MOST_LAYERS, parseLayerList, shownLayers } from './flowState';
import type { Predictions } from '../../shared/text/predictions';
import { setFlow, useFlowSpec } from './flowing';
import { useSpec } from '../../shared/state/store';

interface Props {
  model: ModelInfo;
  position: number | null;
  /** The one token that the bars are of; null while it is not known. */
  token: { text: string; label: string } | null;
}

export function LayersMenu({ model, position, token }: Props) {
  const flow = useFlowSpec();
  const depth = model.n_layers;
  const layers = shownLayers(flow.layers, depth);
  const rises = useRises(position, token?.text ?? null);
  const best = rises && steepest(rises);
  const most = Math.min(MOST_LAYERS, model.limits.max_flow_layers);
  const toggle = (layer: number) => {
    const next = layers.includes(layer)
      ? layers.filter((other) => other !== layer)
      : [...layers, layer].toSorted((a, b) => a - b);
    if (next.length > 0) setFlow({ layers: next, focus: null });
  };
  return (
    <>
      <h3>Layers</h3>
      <TypedLayers layers={layers} depth={depth} />
      <div className="flow-layers" role="group" aria-label="Layers drawn">
        {Array.from({ length: depth }, (_, layer) => {
          const rise = rises?.[layer];
          const chosen = layers.includes(layer);
          return (
            <button
              key={layer}
              type="button"
              className="flow-layer"
              aria-pressed={chosen}
              disabled={!chosen && layers.length >= most}
              data-testid={`layer-${layer}`}
              title={
                rise && token
                  ? `After layer ${layer} ${token.label} has probability ${probability(rise.after)} (${signed(rise.by)})`
                  : `Layer ${layer}`
              }
              onClick={() => toggle(layer)}
            >
              <span className="number">{layer}</span>
              <Bar share={rise?.after ?? 0} side={layer === best?.layer ? 'accent' : 'baseline'} />
            </button>
          );
        })}
      </div>
      <p className="option-note">
        {token ? (
          <>
            Bars: how likely <bdi className="token">{token.label}</bdi> is after each layer.{' '}
          </>
        ) : null}
        {best ? (
          <button
            type="button"
            className="link"
            data-testid="best-layer"
            onClick={() => setFlow({ layers: [best.layer], focus: null })}
          >
            Layer {best.layer}, where it rises most
          </button>
        ) : null}
      </p>
    </>
  );
}

interface Rise {
  layer: number;
  after: number;
  by: number;
}

/** What each layer makes of the token's probability; null until that is known. */
function useRises(position: number | null, text: string | null): Rise[] | null {
  const spec = useSpec();
  const asked = { ...spec, edits: [], target: text ?? '', distractor: '', k: 1 };
  const { data } = usePredictions(asked, text === null ? null : position);
  return data ? risesOf(data) : null;
}

/** Where it rises most; null where it never does. */
function steepest(rises: readonly Rise[]): Rise | null {
  const most = rises.toSorted((a, b) => b.by - a.by)[0];
  return most && most.by > 0 ? most : null;
}

/** Until somebody has chosen a layer: the one that made the target likely is one click away. */
export function BestLayer({ position, token, depth }: BestProps) {
  const flow = useFlowSpec();
  const asked = flow.layers === null && token !== null;
  const rises = useRises(position, asked ? token.text : null);
  const best = asked && rises ? steepest(rises) : null;
  if (!best || !token || shownLayers(null, depth).includes(best.layer)) return null;
  return (
    <button
      type="button"
      className="link"
      data-testid="rises-most"
      title={`Its probability rises by ${best.by.toFixed(3)} there, to ${probability(best.after)}`}
      onClick={() => setFlow({ layers: [best.layer], focus: null })}
    >
      <bdi className="token">{token.label}</bdi> rises most in layer {best.layer}: show it
    </button>
  );
}

interface BestProps {
  position: number | null;
  token: { text: string; label: string } | null;
  depth: number;
}

function risesOf(data: Predictions): Rise[] | null {
  const layers = data.baseline.layers;
  if (!layers) return null;
  return layers.map(({ layer, resid_pre: before, resid_post: after }) => ({
    layer,
    after: after.target?.probability ?? 0,
    by: (after.target?.probability ?? 0) - (before.target?.probability ?? 0),
  }));
}

/** "10, 14" or "10-12"; taken over with Enter, or when the field is left. */
function TypedLayers({ layers, depth }: { layers: readonly number[]; depth: number }) {
  const written = formatPositions(layers);
  const [draft, setDraft] = useState(written);
  const [from, setFrom] = useState(written);
  if (from !== written) {
    setFrom(written);
    setDraft(written);
  }
  const read = parseLayerList(draft, depth);
  const problem = typeof read === 'string' ? read : null;
  const commit = () => {
    if (typeof read !== 'string' && draft !== written) setFlow({ layers: read, focus: null });
  };
  return (
    <div className="positions-field flow-typed">
      <input
        className="mono"
        data-testid="flow-layers"
        aria-label="Layers, as in 10, 14"
        autoComplete="off"
        value={draft}
        aria-invalid={problem !== null}
        aria-describedby="flow-layers-note"
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
        }}
      />
      <span
        id="flow-layers-note"
        className={problem === null ? 'option-note' : 'option-note problem'}
      >
        {problem ?? '10, 14 or 10-12, one after the other'}
      </span>
    </div>
  );
}
