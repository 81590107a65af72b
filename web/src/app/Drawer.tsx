/** One component, wherever it was clicked: what it writes, what that promotes, when it is active. */
import { isAsked } from '../shared/text/chat';
import { useState, type ReactNode } from 'react';
import { useVector, type Vector } from '../shared/api/explore';
import { useComponent, type Analysis, type ModelInfo } from '../shared/api/queries';
import { NameEditor } from '../shared/parts/NameEditor';
import { NodeActions } from '../shared/parts/NodeActions';
import { NodeName } from '../shared/parts/NodeName';
import { Icon, Token } from '../shared/parts/parts';
import { describeTarget, hasVector, parseTarget, type Target } from '../shared/text/address';
import { edit } from '../shared/text/edits';
import { quantity } from '../draw/format';
import { exploreWith, openPage, useExplore } from '../shared/state/exploring';
import { addEdit, change, useSpec } from '../shared/state/store';
import {
  ClusterLink,
  ComponentFormula,
  keysOf,
  NoTokens,
  HeadLinks,
  NormFacts,
  scored,
  VectorFormula,
  WhichRun,
  wholeOf,
  type Component,
} from '../shared/parts/ComponentParts';
import { ErrorNote } from '../shared/parts/ErrorNote';
import { useExperiment, useMode } from '../shared/state/experiment';
import { TokenChip } from '../shared/parts/HitRow';
import { PositionList } from '../shared/parts/PositionList';
import { ScoreBar, signedScore } from '../shared/parts/TokenScores';
import { Status } from '../shared/parts/ViewBar';
import type { ApiError } from '../shared/api/client';
import type { ScoredToken } from '../shared/parts/WordCloud';

export function Drawer({ model }: { model: ModelInfo | null }) {
  const spec = useSpec();
  const target = spec.node === null ? null : parseTarget(spec.node);
  if (!target || spec.node === null) return null;
  return (
    <aside className="drawer" aria-label={`Component ${spec.node}`} data-testid="drawer">
      <header>
        <h2 className="mono">{spec.node}</h2>
        <p>{describeTarget(target)}</p>
        <span className="drawer-corner">
          <button
            type="button"
            className="icon-button"
            aria-label={`Open the page of ${spec.node}`}
            title="Open its page (p)"
            data-testid="drawer-page"
            onClick={() => spec.node !== null && openPage(spec.node)}
          >
            <Icon name="open" />
          </button>
          <button
            type="button"
            className="icon-button"
            aria-label="Close the drawer"
            data-testid="drawer-close"
            onClick={() => change({ node: null })}
          >
            <Icon name="close" />
          </button>
        </span>
      </header>
      <NameEditor node={spec.node} />
      <Inside target={target} model={model} />
      <Sections node={spec.node} target={target} model={model} />
    </aside>
  );
}

function Sections({
  node,
  target,
  model,
}: {
  node: string;
  target: Target;
  model: ModelInfo | null;
}) {
  const spec = useSpec();
  const experiment = useExperiment(model);
  const side = useMode() === 'edited' ? 'edited' : 'baseline';
  const analysis = useComponent(spec, experiment.position, side);
  const read = hasVector(target);
  const vector = useVector(spec, read ? node : null);
  const here = analysis.data?.target === node ? analysis.data : null;
  const facts = vector.data?.target === node ? vector.data : null;
  return (
    <>
      <Actions node={node} position={experiment.position} model={model} />
      {!isAsked(spec) ? null : (
        <p className="drawer-status">
          {here && !analysis.busy ? (
            <WhichRun side={side} />
          ) : (
            <Status
              kind="component"
              analysis={analysis}
              waiting={experiment.waiting}
              timed={false}
            />
          )}
        </p>
      )}
      <ErrorNote ofNode error={analysis.error} retry={analysis.retry} stale={here !== null} />
      {here ? <Here data={here} analysis={analysis} /> : null}
      {!isAsked(spec) && !hasVector(target) ? (
        <p className="drawer-section faint">
          What it writes depends on what it reads: run a prompt to see it.
        </p>
      ) : null}
      {read ? (
        <>
          <ErrorNote
            ofNode
            error={said(vector.error, analysis.error)}
            retry={vector.retry}
            stale={facts !== null}
          />
          {facts ? <Always vector={facts} analysis={vector} /> : <Coming analysis={vector} />}
        </>
      ) : null}
      {here ? (
        <section className="drawer-section">
          <h3>On this prompt</h3>
          <PositionList data={here} />
        </section>
      ) : null}
      {facts?.similar ? <Similar vector={facts} /> : null}
    </>
  );
}

function Coming({ analysis }: { analysis: Analysis<Vector> }) {
  return (
    <p className="drawer-status">
      <Status kind="vector" analysis={analysis} timed={false} />
    </p>
  );
}

/** From a layer's part to one of its heads or neurons, and back. */
function Inside({ target, model }: { target: Target; model: ModelInfo | null }) {
  const [text, setText] = useState('');
  const whole = wholeOf(target);
  if (whole) {
    return (
      <p className="inside">
        part of{' '}
        <button type="button" className="link mono" onClick={() => change({ node: whole })}>
          {whole}
        </button>
      </p>
    );
  }
  if ((target.kind !== 'attn' && target.kind !== 'mlp') || !model) return null;
  const heads = target.kind === 'attn';
  const most = heads ? model.n_heads : model.d_mlp;
  if (most === 0) return null; // a mixture of experts
  const good = /^\d+$/.test(text) && Number(text) < most;
  if (heads && most <= 16) {
    return (
      <p className="inside">
        heads <HeadLinks layer={target.layer} count={most} />
      </p>
    );
  }
  return (
    <form
      className="inside"
      onSubmit={(event) => {
        event.preventDefault();
        if (good) change({ node: `L${target.layer}.${heads ? 'H' : 'N'}${Number(text)}` });
      }}
    >
      <label htmlFor="inside">{heads ? 'head' : 'neuron'}</label>
      <input
        id="inside"
        className="mono"
        inputMode="numeric"
        placeholder={`0–${most - 1}`}
        aria-invalid={text !== '' && !good}
        value={text}
        onChange={(event) => setText(event.target.value.trim())}
      />
      <button type="submit" disabled={!good}>
        Open
      </button>
      {heads ? null : (
        <button
          type="button"
          className="link"
          onClick={() => exploreWith({ ask: 'browse', layer: target.layer, first: 0 })}
        >
          Browse them
        </button>
      )}
    </form>
  );
}

function Actions({
  node,
  position,
  model,
}: {
  node: string;
  position: number | null;
  model: ModelInfo | null;
}) {
  return (
    <div className="drawer-actions">
      <NodeActions node={node} model={model} />
      <button
        type="button"
        className="tiny"
        data-testid="drawer-zero-here"
        disabled={position === null}
        onClick={() => position !== null && addEdit({ ...edit(node), positions: [position] })}
      >
        off at {position ?? '…'} only
      </button>
    </div>
  );
}

/** The error, unless the other question's says it already. */
function said(error: ApiError | null, other: ApiError | null): ApiError | null {
  return error?.message === other?.message ? null : error;
}

// ------------------------------------------------------------------ in this run

/** "0.0 %" would say that it writes nothing. */
function percentOf(share: number): string {
  return share > 0 && share < 0.0005 ? '< 0.1 %' : `${(share * 100).toFixed(1)} %`;
}

function Here({ data, analysis }: { data: Component; analysis: Analysis<Component> }) {
  const share = data.resid_norm > 0 ? data.write_norm / data.resid_norm : 0;
  const here = data.tokens[data.position];
  return (
    <section
      className={`drawer-section ${analysis.current ? '' : 'stale'}`}
      aria-busy={analysis.busy}
    >
      <h3>
        What it writes at {here ? <Token token={here} /> : null}{' '}
        <span className="faint">position {data.position}</span>
        <ComponentFormula data={data} />
      </h3>
      <p className="norms">
        norm <span className="number">{quantity(data.write_norm)}</span>, residual stream{' '}
        <span className="number">{quantity(data.resid_norm)}</span>
        <span className="faint"> ({percentOf(share)})</span>
      </p>
      {data.write_norm === 0 ? (
        <p>
          It writes nothing here: in this run it is zero, so it promotes and suppresses nothing.
        </p>
      ) : data.method === null ? (
        <NoTokens />
      ) : (
        <Pair promoted={scored(data.promotes)} suppressed={scored(data.suppresses)} unit="logit">
          {(title) => title}
        </Pair>
      )}
    </section>
  );
}

// ------------------------------------------------------------------ whatever runs

function Always({ vector, analysis }: { vector: Vector; analysis: Analysis<Vector> }) {
  const { projection } = useExplore();
  return (
    <section className={`drawer-section ${analysis.current ? '' : 'stale'}`} data-testid="vector">
      <h3>
        Its value vector <span className="faint">whatever runs</span>
        <VectorFormula vector={vector} raw={projection === 'raw'} />
      </h3>
      <NormFacts vector={vector} />
      <ClusterLink vector={vector} />
      {vector.promoted.length === 0 ? (
        <NoTokens />
      ) : (
        <Pair
          promoted={vector.promoted.slice(0, 10)}
          suppressed={vector.suppressed.slice(0, 10)}
          unit="/ unit"
        >
          {(title) => `vector-${title}`}
        </Pair>
      )}
      <h3 className="drawer-keys">What makes it fire</h3>
      {keysOf(vector).map(([title, tokens]) => (
        <p key={title} className="chips">
          <span className="faint">{title}</span>
          {tokens.slice(0, 8).map((item) => (
            <TokenChip key={item.token.id} item={item} />
          ))}
        </p>
      ))}
    </section>
  );
}

function Similar({ vector }: { vector: Vector }) {
  const others = (vector.similar ?? []).filter((hit) => hit.node !== vector.target).slice(0, 6);
  return (
    <section className="drawer-section" data-testid="similar">
      <h3>
        Nearest vectors{' '}
        {vector.promoted_reason ? (
          <span className="faint">of its layer</span>
        ) : (
          <button
            type="button"
            className="link"
            onClick={() => exploreWith({ ask: 'similar', like: 'node', node: vector.target })}
          >
            all
          </button>
        )}
      </h3>
      <ul className="drawer-similar">
        {others.map((hit) => (
          <li key={`${hit.node} ${hit.written ?? ''}`}>
            <button type="button" className="link mono" onClick={() => change({ node: hit.node })}>
              {hit.node}
            </button>
            <NodeName node={hit.node} />
            <span className="number" title={`cosine ${hit.score}`}>
              {hit.score.toFixed(2)}
            </span>
            <span className="chips">
              {hit.promoted.slice(0, 4).map((item) => (
                <TokenChip key={item.token.id} item={item} />
              ))}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

// ------------------------------------------------------------------ lists

interface PairProps {
  promoted: readonly ScoredToken[];
  suppressed: readonly ScoredToken[];
  unit: string;
  /** The handle of a list. */
  children: (title: 'promotes' | 'suppresses') => string;
}

function Pair({ promoted, suppressed, unit, children }: PairProps) {
  const most = Math.max(...[...promoted, ...suppressed].map(({ score }) => Math.abs(score)), 1e-9);
  const list = (title: 'promotes' | 'suppresses', tokens: readonly ScoredToken[]): ReactNode => (
    <table className="effect-list" data-testid={children(title)}>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" className="visual">
            <span className="visually-hidden">size</span>
          </th>
          <th scope="col">{unit}</th>
        </tr>
      </thead>
      <tbody>
        {tokens.map(({ token, score }) => (
          <tr key={token.id}>
            <th scope="row">
              <Token token={token} />
            </th>
            <td className="visual">
              <ScoreBar share={score / most} />
            </td>
            <td className="number" title={String(score)}>
              {signedScore(score)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
  return (
    <div className="effects">
      {list('promotes', promoted)}
      {list('suppresses', suppressed)}
    </div>
  );
}
