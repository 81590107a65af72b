/**
 * One row per layer, the last at the top; left to right what the layer does: before attention,
 * after attention, after feed-forward. Only the chosen layer's controls are tab stops.
 */
import { Fragment, useEffect, useRef } from 'react';
import type { ModelInfo } from '../api/queries';
import { SideMark, Token } from '../components/parts';
import { parseRow, parseTarget, type ResidualSite } from '../core/address';
import { nats, probability, rank } from '../core/format';
import { topChanged, type LayerReading, type Predictions, type Reading } from '../core/predictions';
import type { Spec } from '../core/url';
import { hidePeek, showPeek, type PeekContent, type PeekSide } from '../state/peek';
import { change, useSpec } from '../state/store';

interface Props {
  data: Predictions;
  mode: Spec['mode'];
  model: ModelInfo | null;
}

const SITE_NAMES: Record<ResidualSite, string> = {
  resid_pre: 'before attention',
  resid_mid: 'after attention',
  resid_post: 'after feed-forward',
};

interface Pair {
  baseline: Reading;
  edited: Reading | null;
}

export function LayerTable({ data, mode, model }: Props) {
  const { flipped } = useSpec();
  const layers = data.baseline.layers ?? [];
  const order = flipped ? layers : layers.toReversed();
  const parallel = layers.every((layer) => !layer.resid_mid);
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
                <th scope="col" className="op-head">
                  attn
                </th>
                <StateHead words="after attention" data={data} />
                <th scope="col" className="op-head">
                  mlp
                </th>
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
              mode={mode}
              last={(model?.n_layers ?? 0) - 1}
              parallel={parallel}
            />
          ))}
        </tbody>
      </table>
    </section>
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

interface RowProps {
  layer: LayerReading;
  edited: LayerReading | null;
  data: Predictions;
  mode: Spec['mode'];
  last: number;
  parallel: boolean;
}

function Row({ layer, edited, data, mode, last, parallel }: RowProps) {
  const spec = useSpec();
  const row = useRef<HTMLTableRowElement>(null);
  const chosen = parseRow(spec.row ?? `L${last}.resid_post`);
  const here = chosen?.layer === layer.layer;
  useEffect(() => {
    const box = row.current?.closest('.layers');
    if (here && box && row.current) reveal(row.current, box);
  }, [here]);
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
      />
    );
  };
  const write = (part: 'attn' | 'mlp') => (
    <Write name={`L${layer.layer}.${part}`} tabbable={here} />
  );
  return (
    <tr
      ref={row}
      className={here ? 'here' : ''}
      data-testid={`layer-${layer.layer}`}
      aria-current={here ? 'true' : undefined}
    >
      <th scope="row">
        <span className="mono">L{layer.layer}</span>
      </th>
      {state('resid_pre')}
      {write('attn')}
      {parallel ? null : state('resid_mid')}
      {write('mlp')}
      {state('resid_post')}
    </tr>
  );
}

const HEAD_HEIGHT = 36;

/** Scrolls the table only: scrollIntoView would move the page too. */
function reveal(row: HTMLElement, box: Element): void {
  const top = row.offsetTop - HEAD_HEIGHT;
  const bottom = row.offsetTop + row.offsetHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

/** The part of the layer that makes the step from one state to the next: opens the drawer. */
function Write({ name, tabbable }: { name: string; tabbable: boolean }) {
  const { edits, node } = useSpec();
  const [layer, part] = name.split('.');
  const touched = edits.some((made) => {
    const target = made.enabled ? parseTarget(made.target) : null;
    if (!target || !('layer' in target) || `L${target.layer}` !== layer) return false;
    return part === 'attn'
      ? target.kind === 'attn' || target.kind === 'head'
      : target.kind === 'mlp' || target.kind === 'neuron';
  });
  return (
    <td className="op">
      <button
        type="button"
        tabIndex={tabbable ? 0 : -1}
        aria-pressed={node === name}
        aria-label={`Inspect ${name}${touched ? ', edited' : ''}`}
        title={`${name}: what it adds${touched ? ' (edited)' : ''}`}
        data-testid={`open-${name}`}
        onClick={() =>
          change({ node: name, row: `${layer}.${part === 'attn' ? 'resid_mid' : 'resid_post'}` })
        }
      >
        {touched ? <span className="edit-dot" aria-hidden="true" /> : null}+
      </button>
    </td>
  );
}

interface StateProps {
  pair: Pair;
  name: string;
  title: string;
  data: Predictions;
  mode: Spec['mode'];
  chosen: boolean;
  tabbable: boolean;
}

function State({ pair, name, title, data, mode, chosen, tabbable }: StateProps) {
  const both = mode === 'difference' && pair.edited !== null;
  const only = mode === 'edited' && pair.edited ? pair.edited : pair.baseline;
  const changed = both && topChanged(pair.baseline, pair.edited);
  const peek = (element: HTMLElement) =>
    showPeek(
      element.getBoundingClientRect(),
      peekContent(title, pair, both, only === pair.edited, data),
    );
  return (
    <td className={`state ${changed ? 'changed' : ''} ${chosen ? 'chosen' : ''}`}>
      <button
        type="button"
        className="measured"
        tabIndex={tabbable ? 0 : -1}
        data-testid={`state-${name}`}
        onClick={() => change({ row: name }, 'replace')}
        onMouseEnter={(event) => peek(event.currentTarget)}
        onFocus={(event) => peek(event.currentTarget)}
        onMouseLeave={hidePeek}
        onBlur={hidePeek}
      >
        {both && pair.edited ? (
          <Fragment>
            <Line reading={pair.baseline} side="baseline" data={data} />
            <Line reading={pair.edited} side="edited" data={data} changed={changed} />
          </Fragment>
        ) : (
          <Line reading={only} data={data} />
        )}
      </button>
    </td>
  );
}

interface LineProps {
  reading: Reading;
  side?: 'baseline' | 'edited';
  data: Predictions;
  changed?: boolean;
}

function Line({ reading, side, data, changed = false }: LineProps) {
  const [best, ...rest] = reading.top;
  return (
    <span className={`line ${side ?? ''}`}>
      {side ? <SideMark side={side} /> : null}
      <span className="best">
        {best ? <Token token={best.token} /> : null}
        {changed ? (
          <span className="changed-mark" title="another token than in the baseline">
            ≠<span className="visually-hidden"> changed</span>
          </span>
        ) : null}
      </span>
      <span className="number first">{best ? probability(best.probability) : ''}</span>
      {reading.target ? null : (
        <span className="rest">
          {rest.slice(0, 3).map((entry) => (
            <Token key={entry.token.id} token={entry.token} />
          ))}
        </span>
      )}
      {reading.target ? (
        <Score label={data.target?.label} score={reading.target} name="target-score" />
      ) : null}
      {reading.distractor ? (
        <Score label={data.distractor?.label} score={reading.distractor} name="distractor-score" />
      ) : null}
      <span className="number entropy" title={`entropy ${reading.entropy} nats`}>
        {nats(reading.entropy)}
      </span>
    </span>
  );
}

function Score({
  label,
  score,
  name,
}: {
  label: string | undefined;
  score: NonNullable<Reading['target']>;
  name: string;
}) {
  return (
    <span
      className={`score ${name}`}
      title={`${label ?? ''}: probability ${score.probability}, rank ${score.rank}, logit ${score.logit}`}
    >
      <span className="number">{probability(score.probability)}</span>{' '}
      <span className="number rank">{rank(score.rank)}</span>
    </span>
  );
}

function peekContent(
  title: string,
  pair: Pair,
  both: boolean,
  edited: boolean,
  data: Predictions,
): PeekContent {
  const column = (side: 'baseline' | 'edited', reading: Reading): PeekSide => ({
    side,
    top: reading.top.slice(0, 10).map(({ token, ...score }) => ({ label: token.label, ...score })),
    facts: [
      ...scoreFact(data.target?.label, reading.target),
      ...scoreFact(data.distractor?.label, reading.distractor),
      ['entropy', `${nats(reading.entropy)} nats`],
      ['KL from final', `${nats(reading.kl_to_final)} nats`],
    ],
  });
  if (both && pair.edited)
    return { title, sides: [column('baseline', pair.baseline), column('edited', pair.edited)] };
  return {
    title,
    sides: [
      edited && pair.edited ? column('edited', pair.edited) : column('baseline', pair.baseline),
    ],
  };
}

function scoreFact(label: string | undefined, score: Reading['target']): Array<[string, string]> {
  return label !== undefined && score
    ? [[label, `${probability(score.probability)}  ${rank(score.rank)}`]]
    : [];
}
