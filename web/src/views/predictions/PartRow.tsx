/** One part of what a layer added: a head, a neuron, the biases, or the rest. */
import type { ModelInfo } from '../../shared/api/queries';
import { NodeActions } from '../../shared/parts/NodeActions';
import { NodeName } from '../../shared/parts/NodeName';
import { SignedBar } from '../../shared/parts/parts';
import { figures, percent, signed } from '../../draw/format';
import {
  scoreBound,
  type Branch,
  type BranchUpdates,
  type PartRow,
  type Side,
  type Sides,
  type Update,
} from './updates';
import { change, useSpec } from '../../shared/state/store';

interface PartProps {
  row: PartRow;
  sides: Sides<BranchUpdates>;
  branch: Branch;
  both: boolean;
  most: number;
  model: ModelInfo | null;
  tabbable: boolean;
}

export function Part({ row, sides, branch, both, most, model, tabbable }: PartProps) {
  const { node } = useSpec();
  const listed = (both ? ['baseline', 'edited'] : [row.baseline ? 'baseline' : 'edited']) as Side[];
  const read = row.baseline ?? row.edited;
  return (
    <tr className={row.kind} data-testid={`part-${row.node}`}>
      <th scope="row">
        {row.kind === 'node' ? (
          <button
            type="button"
            className="node mono"
            data-node={row.node}
            tabIndex={tabbable ? 0 : -1}
            aria-pressed={node === row.node}
            title={`${row.node}: what it writes, when it is active`}
            onClick={() => change({ node: row.node })}
          >
            {row.node}
          </button>
        ) : (
          <span
            title={
              row.kind === 'bias'
                ? 'What the biases of the output map add'
                : 'All parts that are not listed, together'
            }
          >
            {row.kind === 'bias' ? 'biases' : 'the rest'}
          </span>
        )}
        {row.kind === 'node' ? <NodeName node={row.node} /> : null}
      </th>
      {branch === 'neurons' && !both ? <Activation update={read} /> : null}
      {listed.map((side) => (
        <Score key={side} update={row[side]} bound={scoreBound(sides[side])} />
      ))}
      <td className="visual">
        {listed.map((side) => (
          <SignedBar key={side} share={(row[side]?.score ?? 0) / most} />
        ))}
      </td>
      <td className="number share" title={String(read?.share)}>
        {read ? percent(read.share) : ''}
      </td>
      <Effects effects={read?.promotes ?? []} />
      <Effects effects={read?.suppresses ?? []} lowered />
      <td className="acts">
        {row.kind === 'node' ? (
          <NodeActions node={row.node} model={model} tabbable={false} />
        ) : null}
      </td>
    </tr>
  );
}

function Activation({ update }: { update: Update | null }) {
  const value = update?.activation;
  return (
    <td
      className="number"
      title={value === undefined || value === null ? undefined : String(value)}
    >
      {value === undefined || value === null ? '' : figures(value)}
    </td>
  );
}

function Score({ update, bound }: { update: Update | null; bound: number | null }) {
  if (update) {
    return (
      <td
        className="number score-cell"
        title={`score ${update.score}, norm of the write ${update.norm}`}
      >
        {figures(update.score)}
      </td>
    );
  }
  return (
    <td
      className="number faint"
      title="Not among the largest of this run: no larger than the smallest of them"
    >
      {bound === null ? '' : `≤${figures(bound)}`}
    </td>
  );
}

function Effects({ effects, lowered = false }: { effects: Update['promotes']; lowered?: boolean }) {
  return (
    <td className={lowered ? 'effect-tokens lowered' : 'effect-tokens'}>
      <div>
        {effects.map(({ token, logit }) => (
          <span
            key={token.id}
            title={`${token.label}: ${signed(logit, 2)} on its logit (id ${token.id})`}
          >
            <bdi className="token">{token.label}</bdi>
          </span>
        ))}
      </div>
    </td>
  );
}
