/** What the page and the drawer of a component share. */
import type { Schemas } from '../api/client';
import type { Vector } from '../api/explore';
import { useModel } from '../api/queries';
import { Formula } from './Formula';
import { SideMark } from './parts';
import { parseTarget, type Target } from '../text/address';
import { quantity } from '../../draw/format';
import { exploreWith } from '../state/exploring';
import { change, useSpec } from '../state/store';
import { has, lacks } from '../view';
import type { ScoredToken } from './WordCloud';

export type Component = Schemas['Component'];

/** Direct effects as scores, so that all lists of tokens look alike. */
export function scored(effects: Schemas['TokenEffect'][]): ScoredToken[] {
  return effects.map(({ token, logit }) => ({ token, score: logit }));
}

/** In place of the tokens that a write promotes, where it has no direct effect on any. */
export function NoTokens() {
  const model = useModel().data ?? null;
  const reason = lacks(model, 'lens');
  return (
    <p className="faint" data-testid="no-tokens">
      It promotes no token: {reason ?? 'a norm of the stream follows'}.
      {reason !== null && has(model, 'labels')
        ? ' Attribution tells what it does to the score of a label.'
        : null}
    </p>
  );
}

/** Which of the two runs is read; the choice is the one of all views. */
export function WhichRun({ side }: { side: 'baseline' | 'edited' }) {
  const { edits } = useSpec();
  if (!edits.some((made) => made.enabled)) return null;
  return (
    <>
      <SideMark side={side} /> read in the {side} run{' '}
      <button
        type="button"
        className="link"
        onClick={() => change({ mode: side === 'edited' ? 'difference' : 'edited' })}
      >
        {side === 'edited' ? 'read the baseline' : 'read the edited run'}
      </button>
    </>
  );
}

/** "norm 2.13, longer than 87 % of its layer, 91 % of all". */
export function NormFacts({ vector }: { vector: Vector }) {
  const percent = (share: number) => `${share.toFixed(share > 99 && share < 100 ? 1 : 0)} %`;
  return (
    <p className="norms" data-testid="norm">
      norm <span className="number">{quantity(vector.norm)}</span>, longer than{' '}
      <span className="number">{percent(vector.layer_percentile)}</span> of its{' '}
      {isLatent(vector) ? 'autoencoder' : 'layer'}
      {vector.percentile === null || vector.percentile === undefined ? null : (
        <>
          , <span className="number">{percent(vector.percentile)}</span> of all
        </>
      )}
    </p>
  );
}

/** What makes a neuron fire: where it is gated, the gate opens and the other factor gives the sign. */
export function keysOf(vector: Vector): Array<[title: string, tokens: Vector['key_promotes']]> {
  if (!vector.gate_promotes)
    return [
      ['fires on', vector.key_promotes],
      ['least on', vector.key_suppresses],
    ];
  return [
    ['gate opens on', vector.gate_promotes],
    ['positive on', vector.key_promotes],
    ['negative on', vector.key_suppresses],
  ];
}

/** The cluster that a neuron is in, once clusters are known. */
export function ClusterLink({ vector }: { vector: Vector }) {
  const { cluster, clustering } = vector;
  if (cluster === null || cluster === undefined || !clustering) return null;
  return (
    <p className="norms">
      in cluster{' '}
      <button
        type="button"
        className="link mono"
        data-testid="cluster-link"
        onClick={() => exploreWith({ ask: 'clusters', clustering, cluster, draw: 0 })}
      >
        #{cluster}
      </button>
    </p>
  );
}

/** Whether the vector is one that a latent writes. */
export function isLatent(vector: Vector): boolean {
  return parseTarget(vector.target)?.kind === 'latent';
}

/** Whether what is shown of each position is the node's activation. */
export function isNumber({ kind }: { kind: Component['kind'] }): boolean {
  return kind === 'neuron' || kind === 'latent';
}

/** The heads of a layer, each a way to its own. */
export function HeadLinks({ layer, count }: { layer: number; count: number }) {
  return Array.from({ length: count }, (_, head) => (
    <button
      key={head}
      type="button"
      className="link mono"
      onClick={() => change({ node: `L${layer}.H${head}` })}
    >
      H{head}
    </button>
  ));
}

/** The layer part that a head or a neuron belongs to. */
export function wholeOf(target: Target): string | null {
  if (target.kind !== 'head' && target.kind !== 'neuron') return null;
  return `L${target.layer}.${target.kind === 'head' ? 'attn' : 'mlp'}`;
}

export function ComponentFormula({ data }: { data: Component }) {
  const best = data.promotes[0];
  return (
    <Formula
      title="How a component is read"
      lines={[
        {
          name: 'effect on a logit',
          formula: 'W_U[t] · ( g ⊙ write ) / scale_final',
          ...(best ? { value: `${best.logit.toFixed(4)} for ${best.token.label}` } : {}),
          note: 'What the component adds to the residual stream at this position, through the final norm with its scale held at this run’s value. The direct effect only: not what later layers make of it.',
        },
        {
          name: 'norm of the write',
          formula: '‖ write ‖',
          value: data.write_norm.toPrecision(5),
          note: `Beside ‖ residual stream ‖ = ${data.resid_norm.toPrecision(5)}.`,
        },
        ...(data.kind === 'latent'
          ? [
              {
                name: 'activation',
                formula: 'act( x · w_enc + b_enc )',
                note: 'The number that the row of the autoencoder’s decoder is multiplied by.',
              },
            ]
          : []),
        ...(data.kind === 'neuron'
          ? [
              {
                name: 'activation',
                formula: 'act( x · w_in ) (· gate)',
                note: 'The number that the neuron’s value vector is multiplied by.',
              },
            ]
          : []),
        ...(data.attends_to
          ? [
              {
                name: 'attention',
                formula: 'softmax( q · kᵀ / √d )',
                note: `The row of the pattern at the chosen position: how much it takes from each token. ${
                  typeof data.sink === 'number'
                    ? `Sums to 1 with what goes to the sink, ${data.sink.toPrecision(3)}.`
                    : 'Sums to 1.'
                }`,
              },
            ]
          : []),
      ]}
    />
  );
}

export function VectorFormula({ vector, raw }: { vector: Vector; raw: boolean }) {
  const best = vector.promoted[0];
  const key = vector.key_promotes[0];
  return (
    <Formula
      title="How a value vector is read"
      lines={[
        {
          name: 'promotes, suppresses',
          formula: raw ? 'W_U[t] · v' : 'W_U[t] · ( γ_final ∘ v )',
          ...(best ? { value: `${best.score.toPrecision(5)} for ${best.token.label}` } : {}),
          note: 'What one unit of activation adds to a logit, before the scale of the final norm. From the weights alone: the same for every prompt. A negative activation turns it round.',
        },
        {
          name: 'norm and its percentile',
          formula: '‖ v ‖',
          value: vector.norm.toPrecision(5),
          note: 'The share of vectors that are shorter.',
        },
        {
          name: 'makes it fire',
          formula: 'cos( γ_in ∘ W_E[t], k )',
          ...(key ? { value: `${key.score.toPrecision(4)} for ${key.token.label}` } : {}),
          note: 'Tokens whose input embedding points along the key direction, after the weight of the norm before the feed-forward. Of a gated neuron the gate opens on its own tokens, and the other factor gives the activation its sign. What attention and earlier layers add on the way is not in it, so it says most about early layers.',
        },
      ]}
    />
  );
}
