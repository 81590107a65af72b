/** Similar to what: a neuron, a token or the difference of two, a state of this run. */
import { problemAt, type ApiError } from '../../shared/api/client';
import type { ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { misfit, parseTarget } from '../../shared/text/address';
import { neuronName, type Explore } from '../../shared/text/explore';
import { type Context } from '../../shared/text/exploreQuestions';
import { ask, useExplore } from '../../shared/state/exploring';
import {
  LayersField,
  LayerSelect,
  Line,
  OnEnter,
  Spaced,
  TokenInput,
  useDraft,
} from './ExploreFields';

interface Props {
  model: ModelInfo | null;
  context: Context;
  error: ApiError | null;
}

export function SimilarForm({ model, context, error }: Props) {
  const explore = useExplore();
  return (
    <Line
      label="Similar vectors"
      onSubmit={() => undefined}
      problem={
        <>
          <Spaced error={error} at="tokens[0]" text={explore.plus} use={(plus) => ask({ plus })} />
          <Spaced
            error={error}
            at="tokens[1]"
            text={explore.minus}
            use={(minus) => ask({ minus })}
          />
        </>
      }
    >
      <Segments
        name="like"
        label="Similar to"
        value={explore.like}
        options={[
          ['node', 'a neuron', 'Value vectors that point as this one does'],
          ['tokens', 'tokens', 'The direction of a token, or the difference of two'],
          ['state', 'this run', 'A state of the residual stream on the current prompt'],
        ]}
        onChange={(like: Explore['like']) => ask({ like })}
      />
      {explore.like === 'node' ? <NodeField model={model} key="node" /> : null}
      {explore.like === 'tokens' ? <TokensFields error={error} key="tokens" /> : null}
      {explore.like === 'state' ? <StateField model={model} context={context} key="state" /> : null}
      <LayersField model={model} />
    </Line>
  );
}

function NodeField({ model }: { model: ModelInfo | null }) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(explore.node ?? '');
  const node = neuronName(draft);
  const wrong = draft !== '' && !fits(node, model);
  return (
    <OnEnter act={() => node && !wrong && ask({ node })}>
      <input
        className="mono explore-token"
        data-testid="similar-node"
        aria-label="Neuron"
        aria-invalid={wrong}
        placeholder="L12.N512"
        autoComplete="off"
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
      />
      <button
        type="button"
        className="primary"
        data-testid="search"
        disabled={!node || wrong}
        onClick={() => ask({ node })}
      >
        Find
      </button>
    </OnEnter>
  );
}

function fits(node: string | null, model: ModelInfo | null): boolean {
  const target = node === null ? null : parseTarget(node);
  if (target?.kind === 'latent') return !model || misfit(target, model) === null;
  if (target?.kind !== 'neuron') return false;
  return !model || (target.layer < model.n_layers && target.neuron < model.d_mlp);
}

function TokensFields({ error }: { error: ApiError | null }) {
  const explore = useExplore();
  const [plus, setPlus] = useDraft(explore.plus);
  const [minus, setMinus] = useDraft(explore.minus);
  const go = () => plus !== '' && ask({ plus, minus });
  return (
    <OnEnter act={go}>
      <TokenInput
        testid="plus"
        label="Token"
        value={plus}
        onChange={setPlus}
        wrong={problemAt(error, 'tokens[0]') !== null}
      />
      <span className="faint">−</span>
      <TokenInput
        testid="minus"
        label="Less this token"
        value={minus}
        onChange={setMinus}
        wrong={problemAt(error, 'tokens[1]') !== null}
      />
      <button
        type="button"
        className="primary"
        data-testid="search"
        disabled={plus === ''}
        onClick={go}
      >
        Find
      </button>
    </OnEnter>
  );
}

const SITES = [
  ['resid_mid', 'stream after attention'],
  ['resid_post', 'stream after feed-forward'],
  ['attn_out', 'what attention adds'],
  ['mlp_out', 'what feed-forward adds'],
] as const;

function StateField({ model, context }: { model: ModelInfo | null; context: Context }) {
  const explore = useExplore();
  const target = parseTarget(explore.site ?? context.row);
  const [layer, site] = target?.kind === 'site' ? [target.layer, target.site] : [0, 'resid_post'];
  const choose = (next: { layer?: number; site?: string }) =>
    ask({ site: `L${next.layer ?? layer}.${next.site ?? site}` });
  const available = (name: string) =>
    model?.capabilities.find((capability) => capability.name === name)?.available ?? true;
  if (context.prompt === '') return <span className="faint">Run a prompt first.</span>;
  return (
    <span className="explore-group">
      <span className="faint">position {context.position ?? '…'}, layer</span>
      <LayerSelect model={model} value={layer} onChange={(value) => choose({ layer: value })} />
      <select
        aria-label="Where in the layer"
        value={site}
        onChange={(event) => choose({ site: event.target.value })}
      >
        {SITES.filter(([name]) => available(name) || name === site).map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </span>
  );
}
