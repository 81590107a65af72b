/** The head of a component's page: its names, its neighbours by number, its norm, its cluster. */
import type { Vector } from '../../shared/api/explore';
import type { ModelInfo } from '../../shared/api/queries';
import { NameEditor } from '../../shared/parts/NameEditor';
import { NodeLabel } from '../../shared/parts/NodeName';
import { NodeActions } from '../../shared/parts/NodeActions';
import { Icon } from '../../shared/parts/parts';
import { copyText } from '../../shared/parts/save';
import { describeTarget, type Target } from '../../shared/text/address';
import { neighbour } from '../../shared/text/neighbour';
import { exploreWith } from '../../shared/state/exploring';
import { change } from '../../shared/state/store';
import { ClusterLink, HeadLinks, NormFacts, wholeOf } from '../../shared/parts/ComponentParts';

interface HeaderProps {
  node: string;
  target: Target;
  model: ModelInfo | null;
  vector: Vector | null;
}

export function Header({ node, target, model, vector }: HeaderProps) {
  const whole = wholeOf(target);
  return (
    <header className="component-header" data-testid="component-header">
      <div className="component-title">
        <Step node={node} step={-1} model={model} />
        <h2 className="mono">{node}</h2>
        <Step node={node} step={1} model={model} />
        <button
          type="button"
          className="icon-button"
          aria-label={`Copy ${node}`}
          title="Copy its name"
          onClick={() => void copyText(node, node)}
        >
          <Icon name="copy" />
        </button>
        <NameEditor node={node} />
        <span className="spring" />
        <NodeActions node={node} model={model} />
      </div>
      <div className="component-facts">
        <p className="faint">
          {describeTarget(target)}
          {whole ? (
            <>
              , part of{' '}
              <button type="button" className="link mono" onClick={() => change({ node: whole })}>
                {whole}
              </button>
            </>
          ) : null}
        </p>
        <NodeLabel node={node} />
        {vector ? <NormFacts vector={vector} /> : null}
        {vector ? <ClusterLink vector={vector} /> : null}
        <Within target={target} model={model} />
      </div>
    </header>
  );
}

function Step({ node, step, model }: { node: string; step: 1 | -1; model: ModelInfo | null }) {
  const next = model ? neighbour(node, step, model) : null;
  return (
    <button
      type="button"
      className="icon-button"
      disabled={next === null}
      aria-label={step < 0 ? 'The one before' : 'The next one'}
      title={next === null ? undefined : `${next} (${step < 0 ? '[' : ']'})`}
      onClick={() => next !== null && change({ node: next }, 'replace')}
    >
      <Icon name={step < 0 ? 'back' : 'forward'} />
    </button>
  );
}

/** From a layer's part to what is in it. */
function Within({ target, model }: { target: Target; model: ModelInfo | null }) {
  if (!model) return null;
  if (target.kind === 'attn')
    return (
      <p className="component-within">
        <span className="faint">heads</span>{' '}
        <HeadLinks layer={target.layer} count={Math.min(model.n_heads, 64)} />
      </p>
    );
  if (target.kind !== 'mlp' || model.d_mlp === 0) return null;
  return (
    <p className="component-within">
      <button
        type="button"
        className="link"
        onClick={() => exploreWith({ ask: 'browse', layer: target.layer, first: 0 })}
      >
        Browse its {model.d_mlp.toLocaleString('en')} neurons
      </button>
    </p>
  );
}
