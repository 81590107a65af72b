/** What is measured beside the estimates, each with what it costs first. */
import { Option } from '../../shared/parts/Choice';
import { count } from '../../draw/format';
import { LIMITS } from '../../questions.gen';
import type { ModelInfo } from '../../shared/api/queries';
import {
  ATTRIBUTION,
  setAttribution,
  useAttributionSpec,
  type Attribution,
} from './attributionState';
import type { Comparison } from './query';

const MEASURED = [0, 20, 50, 100, 200] as const;
const SAMPLES = [0, 32, 64, 128] as const;

interface Props {
  model: ModelInfo;
  answer: Comparison | null;
  /** Tokens of the prompt. */
  length: number;
}

export function measuredWords({ verify, verify_all, sample }: Attribution): string {
  const measured = verify_all ? 'all' : verify === 0 ? 'none' : `the first ${verify}`;
  return sample === 0 ? measured : `${measured}, others bounded`;
}

export function isMeasuringChosen({ verify, verify_all, sample }: Attribution): boolean {
  return verify > 0 || verify_all || sample > 0;
}

export function MeasuredMenu({ model, answer, length }: Props) {
  const state = useAttributionSpec();
  const { verify, verify_all: all, top_k, sample } = state;
  const values = MEASURED.filter((one) => one <= top_k);
  const nodes = nodesOf(state, answer, model.n_layers, length);
  const tooMany = nodes !== null && nodes > LIMITS.max_measured_nodes;
  return (
    <>
      <h3>Measured, beside the estimate</h3>
      {[...values, ...(values.some((one) => one === verify) ? [] : [verify])].map((number) => (
        <Option
          key={number}
          group="verify"
          value={String(number)}
          checked={!all && verify === number}
          onChange={() => setAttribution({ verify: number, verify_all: false })}
        >
          {number === 0 ? 'None' : `The first ${number} of the list`}
        </Option>
      ))}
      <Option
        group="verify"
        value="all"
        checked={all}
        disabled={tooMany && !all}
        onChange={() => setAttribution({ verify: 0, verify_all: true })}
        note={nodes === null ? undefined : costOf(nodes, tooMany)}
      >
        Every node of the layers and positions listed
      </Option>
      <p className="option-note menu-foot">
        One run of the model without each node, many in a pass. An estimate is a slope, and a node
        that is large is far from zero: measure what you rely on.
        {top_k < ATTRIBUTION.top_k ? ' More can be measured where more are listed.' : null}
      </p>
      <h3 className="menu-foot">A bound on what was not measured</h3>
      {SAMPLES.map((number) => (
        <Option
          key={number}
          group="sample"
          value={String(number)}
          checked={sample === number}
          onChange={() => setAttribution({ sample: number })}
        >
          {number === 0 ? 'None' : `From ${number} runs`}
        </Option>
      ))}
      <p className="option-note">
        Each run is without a random part of the other nodes: none of them does more than the bound,
        as far as effects add up. It is wide; more runs make it narrower.
      </p>
    </>
  );
}

/** About how many there are where layers and positions are chosen; null: not known yet. */
export function nodesOf(
  { layers, positions }: Pick<Attribution, 'layers' | 'positions'>,
  answer: Comparison | null,
  nLayers: number,
  length: number,
): number | null {
  if (!answer || nLayers === 0 || length === 0) return null;
  const share = (list: readonly number[] | null, size: number) =>
    list ? Math.min(1, list.length / size) : 1;
  return Math.round(answer.baseline.n_nodes * share(layers, nLayers) * share(positions, length));
}

function costOf(nodes: number, tooMany: boolean): string {
  const runs = `About ${count(nodes, 'run')}`;
  return tooMany
    ? `${runs}; at most ${LIMITS.max_measured_nodes.toLocaleString('en')}: choose layers or positions under Listed.`
    : `${runs}, many in a pass. It can be cancelled.`;
}
