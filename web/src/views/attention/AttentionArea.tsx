/** The picture or the table, what is locked in it, the heads it is of, and what its colours mean. */
import { useLayoutEffect, useRef } from 'react';
import { attentionLegend } from '../../draw/attention/legend';
import { panelModes, patternOf } from '../../draw/attention/pattern';
import type { AttentionShown } from '../../draw/attention/shown';
import { NodeActions } from '../../shared/parts/NodeActions';
import { NodeName } from '../../shared/parts/NodeName';
import type { ModelInfo } from '../../shared/api/queries';
import { change, useSpec } from '../../shared/state/store';
import { hasPage, parseTarget } from '../../shared/text/address';
import { AttentionCanvas } from './AttentionCanvas';
import { AttentionFocus, CutPairs, Renormalise } from './AttentionFocus';
import { AttentionHint } from './AttentionHint';
import { useAttentionSpec } from './attentionState';
import { AttentionTable } from './AttentionTable';
import { inBoth, keptPairs, type Pair } from './pairs';
import { branchName, headName, headsWords, type Head } from './picks';

interface Props {
  shown: AttentionShown;
  model: ModelInfo;
  heads: readonly Head[];
}

export function AttentionArea({ shown, model, heads }: Props) {
  const { table, mode: wanted } = useSpec();
  const { attention, mode, head, focus } = shown;
  const { versus } = useAttentionSpec();
  const panel = panelModes(attention, mode).at(-1) ?? 'baseline';
  const there = focus !== null && focus.position < attention.length;
  return (
    <>
      <AttentionHint
        attention={attention}
        mode={panel}
        head={head}
        compared={attention.edited !== null && wanted === 'difference' && versus === 'difference'}
      />
      {table ? (
        <AttentionTable
          attention={attention}
          mode={mode}
          head={head}
          heads={heads}
          model={model}
          focus={there ? focus : null}
        />
      ) : (
        <AttentionCanvas shown={shown} model={model} />
      )}
      {there ? (
        <AttentionFocus
          attention={attention}
          mode={panel}
          head={head}
          heads={heads}
          model={model}
          focus={focus}
        />
      ) : null}
      <HeadsShown
        heads={heads}
        model={model}
        pairs={inBoth(attention, keptPairs(patternOf(attention, panel, head)))}
      />
      {table ? null : <Legend shown={shown} />}
    </>
  );
}

/** More have no room in one line: they are cut in the grid, or with their layer. */
const LISTED = 6;

interface HeadsProps {
  heads: readonly Head[];
  model: ModelInfo;
  /** All that are drawn. */
  pairs: readonly Pair[];
}

/** Each head that is shown, to be cut, changed, opened. */
function HeadsShown({ heads, model, pairs }: HeadsProps) {
  const nodes = nodesOf(heads);
  return (
    <section className="attention-heads" aria-label="Heads shown" data-testid="heads-shown">
      {nodes.length === heads.length && nodes.length > 0 ? null : (
        <span className="faint">{headsWords(heads, model)}</span>
      )}
      {nodes.map((node) => (
        <span key={node} className="attention-head">
          <HeadLink node={node} /> <NodeName node={node} />{' '}
          <NodeActions node={node} model={model} />
        </span>
      ))}
      <span className="spring" />
      <CutPairs heads={heads} model={model} pairs={pairs} of="all tokens" />
      <Renormalise />
    </section>
  );
}

/** What of them can be cut: each, or all of their layers. */
function nodesOf(heads: readonly Head[]): string[] {
  return heads.length <= LISTED ? heads.map(headName) : [...new Set(heads.map(branchName))];
}

/** To what it writes; heads of an encoder write no logits. */
function HeadLink({ node }: { node: string }) {
  const target = parseTarget(node);
  if (!target || !hasPage(target)) return <span className="mono">{node}</span>;
  return (
    <button
      type="button"
      className="link mono"
      title={`What ${node} writes`}
      onClick={() => change({ node })}
    >
      {node}
    </button>
  );
}

function Legend({ shown }: { shown: AttentionShown }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current?.replaceChildren(attentionLegend(shown)), [shown]);
  return <div ref={box} className="attention-legend" data-testid="legend" />;
}
