/** The picture or the table, what is locked in it, the heads it is of, and what its colours mean. */
import { useLayoutEffect, useRef } from 'react';
import { attentionLegend } from '../../draw/attention/legend';
import type { Attention } from '../../draw/attention/data';
import { panelModes, patternOf } from '../../draw/attention/pattern';
import type { AttentionShown } from '../../draw/attention/shown';
import { NodeActions } from '../../shared/parts/NodeActions';
import { NodeName } from '../../shared/parts/NodeName';
import type { ModelInfo } from '../../shared/api/queries';
import { change, useSpec } from '../../shared/state/store';
import { AttentionCanvas } from './AttentionCanvas';
import { AttentionFocus, CutPairs, Renormalise } from './AttentionFocus';
import { AttentionHint } from './AttentionHint';
import { useAttentionSpec } from './attentionState';
import { AttentionTable } from './AttentionTable';
import { keptPairs, type Pair } from './pairs';
import { headName, headsWords, partOf, type Head } from './picks';

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

/** Edits are of both sides: of two prompts no longer than the shorter one. */
function inBoth({ baseline: { tokens } }: Attention, pairs: Pair[]): Pair[] {
  const { query, key } = tokens;
  return pairs.filter((pair) => pair.query < query.length && pair.key < key.length);
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
          <button
            type="button"
            className="link mono"
            title={`What ${node} writes`}
            onClick={() => change({ node })}
          >
            {node}
          </button>{' '}
          <NodeName node={node} /> <NodeActions node={node} model={model} />
        </span>
      ))}
      {partOf(heads) === 'self' ? (
        <>
          <span className="spring" />
          <CutPairs heads={heads} model={model} pairs={pairs} of="all tokens" />
          <Renormalise />
        </>
      ) : null}
    </section>
  );
}

/** What of them can be cut: each, or all of their layers. The app edits nothing in an encoder that reads a source. */
function nodesOf(heads: readonly Head[]): string[] {
  const part = partOf(heads);
  if (part === 'encoder') return [];
  if (heads.length <= LISTED) return heads.map(headName);
  const branch = part === 'cross' ? 'cross' : 'attn';
  return [...new Set(heads.map(({ layer }) => `L${layer}.${branch}`))];
}

function Legend({ shown }: { shown: AttentionShown }) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current?.replaceChildren(attentionLegend(shown)), [shown]);
  return <div ref={box} className="attention-legend" data-testid="legend" />;
}
