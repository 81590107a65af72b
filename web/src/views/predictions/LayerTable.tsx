/**
 * One row per layer, the last at the top; left to right what the layer does: before attention,
 * after attention, after feed-forward. An opened layer lists its tokens and takes apart what it added.
 * Only the chosen layer's controls are tab stops.
 */
import { lazy, Suspense, useEffect, useRef } from 'react';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { parseRow, type ResidualSite } from '../../draw/residual';
import { isOfEncoder, parseTarget, type Kind } from '../../shared/text/address';
import { figures } from '../../draw/format';
import type { LayerReading, Predictions } from '../../shared/text/predictions';
import { branchOf, partOf, shortName, strongest, type Branch } from './updates';
import type { Spec } from '../../shared/text/url';
import { change, useSpec } from '../../shared/state/store';
import { toggleLayer } from './predictionsState';
import { State } from './LayerState';

const LayerParts = lazy(async () => ({ default: (await import('./LayerParts')).LayerParts }));

interface Props {
  data: Predictions;
  updates: Analysis<Predictions>;
  mode: Spec['mode'];
  model: ModelInfo | null;
}

const SITE_NAMES: Record<ResidualSite, string> = {
  resid_pre: 'before attention',
  resid_mid: 'after attention',
  resid_mid_cross: 'after attention to the encoder',
  resid_post: 'after feed-forward',
};

export function LayerTable({ data, updates, mode, model }: Props) {
  const { flipped } = useSpec();
  const layers = data.baseline.layers ?? [];
  const order = flipped ? layers : layers.toReversed();
  const parallel = layers.every((layer) => !layer.resid_mid);
  const crossed = layers.some((layer) => layer.resid_mid_cross);
  return (
    <section className="layers" aria-label="What each layer predicts" data-testid="layers">
      <table className={`layer-table ${parallel ? 'parallel' : ''}`}>
        <thead>
          <tr>
            <th scope="col">layer</th>
            <StateHead words="before attention" data={data} />
            {parallel ? (
              <th scope="col" colSpan={2} className="op-head">
                attn ∥ mlp
              </th>
            ) : (
              <>
                <OpHead words="attn" title="Attention: the head that wrote most" />
                <StateHead words="after attention" data={data} />
                {crossed ? (
                  <>
                    <OpHead
                      words="cross"
                      title="Attention to the encoder: the head that wrote most"
                    />
                    <StateHead words="after cross-attention" data={data} />
                  </>
                ) : null}
                <OpHead words="mlp" title="Feed-forward: the neuron that wrote most" />
              </>
            )}
            <StateHead words={parallel ? 'after the block' : 'after feed-forward'} data={data} />
          </tr>
        </thead>
        <tbody>
          {order.map((layer) => (
            <Row
              key={layer.layer}
              layer={layer}
              edited={data.edited?.layers?.[layer.layer] ?? null}
              data={data}
              updates={updates}
              mode={mode}
              model={model}
              parallel={parallel}
              crossed={crossed}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function OpHead({ words, title }: { words: string; title: string }) {
  return (
    <th scope="col" className="op-head" title={title}>
      {words}
    </th>
  );
}

/** The state, and what the columns inside its cells are. */
function StateHead({ words, data }: { words: string; data: Predictions }) {
  return (
    <th scope="col" className="state-head">
      <div className="measured">
        <span className="line heads">
          <span className="best">{words}</span>
          {data.target ? <bdi className="token score target-score">{data.target.label}</bdi> : null}
          {data.distractor ? (
            <bdi className="token score distractor-score">{data.distractor.label}</bdi>
          ) : null}
          <abbr className="entropy" title="entropy, nats">
            H
          </abbr>
        </span>
      </div>
    </th>
  );
}

interface RowProps extends Props {
  layer: LayerReading;
  edited: LayerReading | null;
  parallel: boolean;
  crossed: boolean;
}

function Row({ layer, edited, data, updates, mode, model, parallel, crossed }: RowProps) {
  const spec = useSpec();
  const row = useRef<HTMLTableRowElement>(null);
  const last = (model?.n_layers ?? 0) - 1;
  const chosen = parseRow(spec.row ?? `L${last}.resid_post`);
  const here = chosen?.layer === layer.layer;
  const { open: opened } = spec.predictions;
  const open = opened === 'all' || opened.includes(layer.layer);
  useEffect(() => {
    const box = row.current?.closest('.layers');
    if (here && box && row.current) reveal(row.current, box, open);
  }, [here, open]);
  const state = (site: ResidualSite) => {
    const baseline = layer[site];
    if (!baseline) return null;
    return (
      <State
        pair={{ baseline, edited: edited?.[site] ?? null }}
        name={`L${layer.layer}.${site}`}
        title={`Layer ${layer.layer}, ${SITE_NAMES[site]}${layer.layer === 0 && site === 'resid_pre' ? ' (the embedding)' : ''}`}
        data={data}
        mode={mode}
        chosen={here && chosen.site === site}
        tabbable={here}
        open={open}
      />
    );
  };
  const write = (branch: Branch) => (
    <Write
      layer={layer.layer}
      part={partOf(branch, layer.layer, model)}
      branch={branch}
      updates={updates}
      mode={mode}
      tabbable={here}
      open={open}
    />
  );
  return (
    <>
      <tr
        ref={row}
        className={`${here ? 'here' : ''} ${open ? 'open' : ''}`}
        data-testid={`layer-${layer.layer}`}
        aria-current={here ? 'true' : undefined}
      >
        <th scope="row">
          <button
            type="button"
            className="layer-toggle mono"
            aria-expanded={open}
            tabIndex={here ? 0 : -1}
            data-testid={`toggle-${layer.layer}`}
            title={`${open ? 'Close' : 'Open'} layer ${layer.layer}: its tokens, heads and neurons (l)`}
            onClick={() => {
              change({ row: `L${layer.layer}.resid_post` }, 'replace');
              toggleLayer(layer.layer, last);
            }}
          >
            <span aria-hidden="true">{open ? '▾' : '▸'}</span>L{layer.layer}
          </button>
        </th>
        {state('resid_pre')}
        {write('heads')}
        {parallel ? null : state('resid_mid')}
        {crossed ? write('cross_heads') : null}
        {crossed ? state('resid_mid_cross') : null}
        {write('neurons')}
        {state('resid_post')}
      </tr>
      {open ? (
        <tr className="layer-parts-row">
          <td colSpan={parallel ? 5 : crossed ? 8 : 6}>
            <Suspense fallback={<div data-busy />}>
              <LayerParts layer={layer.layer} updates={updates} mode={mode} model={model} />
            </Suspense>
          </td>
        </tr>
      ) : null}
    </>
  );
}

/** The state behind each branch. */
const BEHIND: Record<Branch, ResidualSite> = {
  heads: 'resid_mid',
  cross_heads: 'resid_mid_cross',
  neurons: 'resid_post',
};

const HEAD_HEIGHT = 36;

/** Scrolls the table only: scrollIntoView would move the page too. An opened row may be taller than the box. */
function reveal(row: HTMLElement, box: Element, open: boolean): void {
  const top = row.offsetTop - HEAD_HEIGHT;
  const bottom = Math.min(
    row.offsetTop + row.offsetHeight,
    open ? top + box.clientHeight : Infinity,
  );
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

interface WriteProps {
  layer: number;
  part: ReturnType<typeof partOf>;
  branch: Branch;
  updates: Analysis<Predictions>;
  mode: Spec['mode'];
  tabbable: boolean;
  open: boolean;
}

/** The step from one state to the next: names the node that wrote most, opens all that did. */
function Write({ layer, part, branch, updates, mode, tabbable, open }: WriteProps) {
  const touched = useTouched(layer, branch);
  const sides = branchOf(updates.data, layer, branch);
  const most = strongest((mode === 'edited' ? sides.edited : null) ?? sides.baseline);
  const name = `L${layer}.${part}`;
  const said = most
    ? `${most.node} wrote most, score ${figures(most.score)}`
    : 'what wrote it is not known yet';
  return (
    <td className="op">
      <button
        type="button"
        tabIndex={tabbable ? 0 : -1}
        aria-expanded={open}
        aria-label={`${name}: ${said}${touched ? ', edited' : ''}`}
        title={`${name}: ${said}${touched ? ' (edited)' : ''}. Click for all parts.`}
        className={updates.current ? '' : 'stale'}
        data-testid={`open-${name}`}
        onClick={() => {
          if (!open) toggleLayer(layer, layer);
          change({ row: `L${layer}.${BEHIND[branch]}` }, 'replace');
        }}
      >
        {touched ? <span className="edit-dot" aria-hidden="true" /> : null}
        {most ? shortName(most.node) : '+'}
      </button>
    </td>
  );
}

const WRITERS: Record<Branch, readonly Kind[]> = {
  heads: ['attn', 'mixer', 'head'],
  cross_heads: ['cross', 'cross_head'],
  neurons: ['mlp', 'neuron'],
};

/** An edit that is in force changes what this part of the layer writes. */
function useTouched(layer: number, branch: Branch): boolean {
  const { edits } = useSpec();
  return edits.some((made) => {
    const target = made.enabled ? parseTarget(made.target) : null;
    if (!target || !('layer' in target) || isOfEncoder(target) || target.layer !== layer)
      return false;
    return WRITERS[branch].includes(target.kind);
  });
}
