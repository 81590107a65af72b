/** What one layer added at the position, taken apart: its heads, its neurons, biases and the rest. */
import { useEffect, useRef, useState } from 'react';
import type { Analysis, ModelInfo } from '../../shared/api/queries';
import { Formula } from '../../shared/parts/Formula';
import { NodeActions } from '../../shared/parts/NodeActions';
import { SideMark } from '../../shared/parts/parts';
import { figures, percent } from '../../draw/format';
import type { Predictions } from '../../shared/text/predictions';
import {
  branchesOf,
  branchOf,
  partOf,
  partRows,
  sameUpdates,
  shownSides,
  type Branch,
  type BranchUpdates,
  type Sides,
} from './updates';
import type { Spec } from '../../shared/text/url';
import { change, useSpec } from '../../shared/state/store';
import { Part } from './PartRow';
import { partsFormula } from './partsFormula';
import { setPredictions } from './predictionsState';
import { useWalk } from './walkParts';

interface Props {
  layer: number;
  updates: Analysis<Predictions>;
  mode: Spec['mode'];
  model: ModelInfo | null;
}

const TITLES = {
  attn: 'Attention added',
  mixer: 'The token mixer added',
  cross: 'Attention to the encoder added',
  mlp: 'Feed-forward added',
} as const;

export function LayerParts({ layer, updates, mode, model }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const near = useNear(place);
  useWalk(place);
  const { parts } = useSpec().predictions;
  const rows = Math.min(parts, model?.n_heads ?? 0) + parts;
  return (
    <div
      ref={place}
      className={`layer-parts ${updates.current ? '' : 'stale'}`}
      data-testid={`parts-${layer}`}
      {...(near && updates.data ? {} : { style: { minHeight: 90 + rows * 24 } })}
    >
      {near && updates.data
        ? branchesOf(model).map((branch) => (
            <BranchTable
              key={branch}
              layer={layer}
              branch={branch}
              data={updates.data}
              mode={mode}
              model={model}
            />
          ))
        : null}
      {near && !updates.data ? <Waiting updates={updates} /> : null}
    </div>
  );
}

/** Why there is nothing yet, or no longer will be. */
function Waiting({ updates }: { updates: Analysis<Predictions> }) {
  if (updates.busy) return <p className="faint">Taking the layers apart …</p>;
  if (!updates.error && !updates.cancelled) return null;
  return (
    <p className="problem-line" role="alert">
      {updates.error?.message ?? 'Cancelled.'} {updates.error?.body.fix}{' '}
      <button type="button" className="link" onClick={updates.retry}>
        Try again
      </button>
    </p>
  );
}

/** True once it was close to what is seen: forty opened layers are not drawn at once. */
function useNear(place: React.RefObject<HTMLElement | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (!place.current || near) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) setNear(true);
      },
      { rootMargin: '400px' },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [place, near]);
  return near;
}

interface BranchProps {
  layer: number;
  branch: Branch;
  data: Predictions | null;
  mode: Spec['mode'];
  model: ModelInfo | null;
}

function BranchTable({ layer, branch, data, mode, model }: BranchProps) {
  const part = partOf(branch, layer, model);
  const [title, noun] = [TITLES[part], branch === 'neurons' ? 'neurons' : 'heads'];
  const all = branchOf(data, layer, branch);
  const same = sameUpdates(all);
  const sides = shownSides(all, all.edited && !same ? mode : 'baseline');
  const one = sides.baseline ?? sides.edited;
  const both = sides.baseline !== null && sides.edited !== null;
  const total = branch === 'neurons' ? model?.d_mlp : model?.n_heads;
  const node = `L${layer}.${part}`;
  const rows = partRows(sides);
  const most = Math.max(
    1e-12,
    ...rows.flatMap((row) =>
      [row.baseline, row.edited].map((update) => Math.abs(update?.score ?? 0)),
    ),
  );
  const nodes = rows.filter((row) => row.kind === 'node').length;
  return (
    <section
      className="branch"
      aria-label={`${title}, layer ${layer}`}
      data-testid={`${branch}-${layer}`}
    >
      <header>
        <h3>
          {title}{' '}
          <button
            type="button"
            className="link mono"
            title="What it writes as a whole"
            onClick={() => change({ node })}
          >
            {node}
          </button>
        </h3>
        <Facts sides={sides} />
        {same && mode === 'difference' ? (
          <span className="faint">the same in both runs</span>
        ) : null}
        <span className="spring" />
        {one?.reason ? null : (
          <span className="faint" title={`${noun} shown, of those in the layer`}>
            {nodes} of {(total ?? 0).toLocaleString('en')}
          </span>
        )}
        {branch === 'neurons' && !one?.reason ? <HowMany /> : null}
        <Formula title={`How ${noun} are taken apart`} lines={partsFormula(one, branch)} />
        <NodeActions node={node} model={model} tabbable={false} />
      </header>
      {one?.reason ? (
        <p className="faint">{one.reason}</p>
      ) : (
        <table className={`parts ${both ? 'both' : ''}`}>
          <PartsHead branch={branch} both={both} />
          <tbody>
            {rows.map((row, at) => (
              <Part
                key={row.node}
                row={row}
                sides={sides}
                branch={branch}
                both={both}
                most={most}
                model={model}
                tabbable={at === 0}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Norm of what was added, and how much of it the shown parts are. */
function Facts({ sides }: { sides: Sides<BranchUpdates> }) {
  const listed = (['baseline', 'edited'] as const).filter((side) => sides[side]);
  return (
    <span className="branch-facts">
      {listed.map((side) => {
        const one = sides[side];
        return one && !one.reason ? (
          <span key={side}>
            {listed.length > 1 ? <SideMark side={side} /> : null}
            norm <span className="number">{figures(one.added_norm ?? 0)}</span>, shown{' '}
            <span className="number" data-testid="explained">
              {percent(one.explained ?? 0)}
            </span>
          </span>
        ) : null;
      })}
    </span>
  );
}

function HowMany() {
  const { parts } = useSpec().predictions;
  return (
    <label className="how-many">
      <span className="visually-hidden">Neurons and heads shown</span>
      <select
        data-testid="parts-shown"
        value={parts}
        onChange={(event) => setPredictions({ parts: Number(event.target.value) })}
      >
        {[...new Set([5, 10, 20, 50, parts])]
          .toSorted((a, b) => a - b)
          .map((value) => (
            <option key={value} value={value}>
              top {value}
            </option>
          ))}
      </select>
    </label>
  );
}

function PartsHead({ branch, both }: { branch: Branch; both: boolean }) {
  const score = branch === 'neurons' ? 'score' : 'norm';
  return (
    <thead>
      <tr>
        <th scope="col">{branch === 'neurons' ? 'neuron' : 'head'}</th>
        {branch === 'neurons' && !both ? (
          <th
            scope="col"
            className="number-head"
            title="The number that its value vector is multiplied by"
          >
            act.
          </th>
        ) : null}
        {both ? (
          <>
            <th scope="col" className="number-head" title={`${score} in the baseline`}>
              <SideMark side="baseline" />
            </th>
            <th scope="col" className="number-head" title={`${score} in the edited run`}>
              <SideMark side="edited" />
            </th>
          </>
        ) : (
          <th scope="col" className="number-head">
            {score}
          </th>
        )}
        <th scope="col" className="visual">
          <span className="visually-hidden">size</span>
        </th>
        <th
          scope="col"
          className="number-head"
          title="Its part of what was added, along it: all shares sum to 100 %"
        >
          share
        </th>
        <th scope="col" className="tokens-head">
          promotes
        </th>
        <th scope="col" className="tokens-head lowered">
          suppresses
        </th>
        <th scope="col" className="acts">
          <span className="visually-hidden">edit</span>
        </th>
      </tr>
    </thead>
  );
}
