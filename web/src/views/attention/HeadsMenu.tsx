/** Which heads are shown and how they become one: typed, picked in sets, each with its weight. */
import { useState } from 'react';
import type { ModelInfo } from '../../shared/api/queries';
import { Icon, Segments } from '../../shared/parts/parts';
import { NodeName } from '../../shared/parts/NodeName';
import { ATTENTION, setAttention, useAttentionSpec } from './attentionState';
import {
  formatPicks,
  headCount,
  headName,
  layersOf,
  parsePicks,
  partOf,
  picksOf,
  picksProblem,
  toggled,
  weighed,
  wholeLayer,
  type Head,
} from './picks';
import type { HeadScores } from './query';
import { headNames, kindOf, sorted } from './scores';

interface Props {
  model: ModelInfo;
  heads: readonly Head[];
  scores: HeadScores | null;
}

/** More are picked in the grid, or typed. */
const LISTED = 16;
const BEST = 3;

export function HeadsMenu({ model, heads, scores }: Props) {
  return (
    <>
      <h3>Heads</h3>
      <TypedHeads model={model} heads={heads} />
      <Sets model={model} heads={heads} scores={scores} />
      {heads.length > 1 ? <Combined heads={heads} /> : null}
      <ul className="attention-weights" aria-label="Heads shown, with their weights">
        {heads.slice(0, LISTED).map((head) => (
          <Weight key={headName(head)} head={head} model={model} alone={heads.length === 1} />
        ))}
      </ul>
      {heads.length > LISTED ? (
        <p className="option-note">
          And {heads.length - LISTED} more. Type their weights above: L5*0.5 is of all heads of
          layer 5.
        </p>
      ) : null}
    </>
  );
}

function TypedHeads({ model, heads }: { model: ModelInfo; heads: readonly Head[] }) {
  const written = formatPicks(picksOf(heads, model)).replaceAll(',', ', ');
  const [draft, setDraft] = useState(written);
  const [from, setFrom] = useState(written);
  if (from !== written) {
    setFrom(written);
    setDraft(written);
  }
  const problem = picksProblem(draft, model);
  const commit = () => {
    const picks = parsePicks(draft);
    if (picks && problem === null && draft !== written) setAttention({ picks });
  };
  return (
    <div className="attention-typed">
      <input
        className="mono"
        data-testid="heads"
        aria-label="Heads, as in L5.H1, L4*0.5"
        autoComplete="off"
        spellCheck={false}
        value={draft}
        aria-invalid={problem !== null}
        aria-describedby="heads-note"
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
        }}
      />
      <span id="heads-note" className={problem === null ? 'option-note' : 'option-note problem'}>
        {problem ?? 'L5 is all of layer 5; L5.H1*0.5 has a weight'}
      </span>
    </div>
  );
}

/** All of a layer; those that do most of what the grid is sorted by. */
function Sets({ model, heads, scores }: Props) {
  const { order } = useAttentionSpec();
  const part = partOf(heads);
  const layer = heads[0]?.layer ?? 0;
  const kind = kindOf(order, scores);
  const best = kind === null ? [] : sorted(headNames(model, part), kind, scores).slice(0, BEST);
  return (
    <div className="attention-sets">
      <label>
        <span className="faint">all of layer</span>{' '}
        <select
          data-testid="heads-layer"
          value={layer}
          onChange={(event) =>
            setAttention({ picks: [wholeLayer(Number(event.target.value), part)] })
          }
        >
          {layersOf(model, part).map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      {heads.length < headCount(model, part, layer) ? (
        <button
          type="button"
          className="link"
          data-testid="heads-whole"
          onClick={() => setAttention({ picks: [wholeLayer(layer, part)] })}
        >
          All of layer {layer}
        </button>
      ) : null}
      {best.length > 0 && scores ? (
        <button
          type="button"
          className="link"
          data-testid="heads-best"
          onClick={() => setAttention({ picks: parsePicks(best.join(',')) ?? [] })}
        >
          The {BEST} highest by {kind}
        </button>
      ) : null}
      {heads.some(({ weight }) => weight !== 1) ? (
        <button
          type="button"
          className="link"
          onClick={() =>
            setAttention({
              picks: picksOf(
                heads.map((head) => ({ ...head, weight: 1 })),
                model,
              ),
            })
          }
        >
          All weights 1
        </button>
      ) : null}
    </div>
  );
}

function Combined({ heads }: { heads: readonly Head[] }) {
  const { combine } = useAttentionSpec();
  const weights = heads.some(({ weight }) => weight !== 1);
  return (
    <>
      <Segments
        name="combine"
        label="How several heads become one pattern"
        value={combine}
        options={[
          ['mean', 'Mean', 'Of a pair: the sum of all heads, by the sum of their weights'],
          ['sum', 'Sum', 'Of a pair: what all heads have together'],
        ]}
        onChange={(value) =>
          setAttention({ combine: value }, value === ATTENTION.combine ? 'replace' : 'push')
        }
      />
      <p className="option-note">
        {combine === 'mean'
          ? `The curves are the ${weights ? 'weighted ' : ''}mean of ${heads.length} heads.`
          : `The curves are the ${weights ? 'weighted ' : ''}sum of ${heads.length} heads: of attention up to ${heads
              .reduce((sum, { weight }) => sum + weight, 0)
              .toFixed(weights ? 2 : 0)}.`}
      </p>
    </>
  );
}

interface WeightProps {
  head: Head;
  model: ModelInfo;
  alone: boolean;
}

/** Dragged or typed; nothing is asked before the drag ends. */
function Weight({ head, model, alone }: WeightProps) {
  const { picks } = useAttentionSpec();
  const name = headName(head);
  const [draft, setDraft] = useState<number | null>(null);
  const shown = draft ?? head.weight;
  const commit = (weight: number | null = draft) => {
    if (weight !== null && Number.isFinite(weight) && weight !== head.weight)
      setAttention({ picks: weighed(picks, model, head, weight) });
    setDraft(null);
  };
  return (
    <li>
      <span className="mono">{name}</span> <NodeName node={name} />
      <span className="spring" />
      {alone ? null : (
        <>
          <input
            type="range"
            min={-2}
            max={2}
            step={0.05}
            aria-label={`Weight of ${name}`}
            data-testid={`drag-${name}`}
            value={shown}
            onChange={(event) => setDraft(Number(event.target.value))}
            onPointerUp={() => commit()}
            onKeyUp={() => commit()}
            onBlur={() => commit()}
          />
          <TypedWeight key={shown} name={name} value={shown} commit={commit} />
          <button
            type="button"
            className="icon-button"
            aria-label={`Without ${name}`}
            onClick={() => setAttention({ picks: toggled(picks, model, head) })}
          >
            <Icon name="close" />
          </button>
        </>
      )}
    </li>
  );
}

interface TypedProps {
  name: string;
  value: number;
  commit: (weight: number) => void;
}

function TypedWeight({ name, value, commit }: TypedProps) {
  const [draft, setDraft] = useState(String(value).replace('-', '−'));
  const read = draft.trim() === '' ? Number.NaN : Number(draft.replace('−', '-'));
  return (
    <input
      className="mono number"
      inputMode="decimal"
      aria-label={`Weight of ${name}, typed`}
      data-testid={`weight-${name}`}
      value={draft}
      aria-invalid={!Number.isFinite(read)}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={() => commit(read)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') commit(read);
      }}
    />
  );
}
