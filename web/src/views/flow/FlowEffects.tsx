/** What the graph attributes to each cut, beside what the model really does without it. */
import { Formula } from '../../shared/parts/Formula';
import { SignedBar } from '../../shared/parts/parts';
import { describeOperation, whereWords, type Edit } from '../../shared/text/edits';
import { cutAt } from '../../shared/text/editList';
import {
  hasReadings,
  type Flow,
  type FlowEffect as Effect,
  type FlowEffects as Effects,
} from '../../draw/flow/data';
import { agreement, targetName } from '../../draw/flow/text';
import { NONE, probability, rank, signed } from '../../draw/format';
import { setFlow } from './flowing';
import { useSpec } from '../../shared/state/store';

export function FlowEffects({ graph, most }: { graph: Flow; most: number }) {
  const { effects } = graph;
  if (!effects) return null;
  const rows = [...effects.edits, ...(effects.together ? [effects.together] : [])];
  const scale = Math.max(
    1e-6,
    ...rows.flatMap((row) => [Math.abs(row.attributed ?? 0), Math.abs(measuredOf(row))]),
  );
  const left = effects.leftOut;
  const target = targetName(graph);
  const unit = effects.baseline ? ', logit' : '';
  return (
    <section className="flow-effects" aria-label="Effects of the edits" data-testid="flow-effects">
      <table>
        <caption>
          What the edits do to <bdi className="token">{target}</bdi>{' '}
          <span className="faint">
            at position {graph.position}:{' '}
            {effects.baseline
              ? `probability ${probability(effects.baseline.probability)}, rank ${rank(effects.baseline.rank)}`
              : signed(effects.value)}{' '}
            without them
          </span>
          <EffectsFormula graph={graph} effects={effects} />
        </caption>
        <thead>
          <tr>
            <th scope="col">edit</th>
            <th scope="col" colSpan={2}>
              attributed{unit}
            </th>
            <th scope="col" colSpan={2}>
              measured{unit}
            </th>
            <th scope="col" className="number">
              measured ÷ attributed
            </th>
            {effects.baseline ? (
              <>
                <th scope="col" className="number">
                  probability
                </th>
                <th scope="col" className="number">
                  rank
                </th>
              </>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {effects.edits.map((row) => (
            <Row key={row.edit} row={row} scale={scale} graph={graph} />
          ))}
          {effects.together ? (
            <Row row={effects.together} scale={scale} graph={graph} together />
          ) : null}
        </tbody>
      </table>
      {left > 0 ? (
        <p className="faint" data-testid="unmeasured">
          {left} more {left === 1 ? 'edit is' : 'edits are'} in force and not measured alone: at
          most {most} are.
        </p>
      ) : null}
    </section>
  );
}

interface RowProps {
  row: Effect;
  scale: number;
  graph: Flow;
  together?: boolean;
}

function Row({ row, scale, graph, together = false }: RowProps) {
  const before = graph.effects?.baseline;
  return (
    <tr className={together ? 'together' : ''} data-testid={together ? 'effect-all' : 'effect'}>
      <th scope="row">{together ? 'All together' : <EditName row={row} graph={graph} />}</th>
      {row.attributed === null ? (
        <td colSpan={2} className="faint">
          {together ? 'not known for all' : 'nothing in this graph'}
        </td>
      ) : (
        <Change value={row.attributed} scale={scale} name="attributed" />
      )}
      <Change value={measuredOf(row)} scale={scale} name="measured" />
      <td className="number">
        {row.attributed === null ? NONE : agreement(row.attributed, measuredOf(row))}
      </td>
      {before && row.measured ? (
        <>
          <td className="number">
            {probability(before.probability)} →{' '}
            <strong>{probability(row.measured.probability)}</strong>
          </td>
          <td className="number">
            {rank(before.rank)} → {rank(row.measured.rank)}
          </td>
        </>
      ) : null}
    </tr>
  );
}

/** Of the target's logit; where the target is no token, of what is explained. */
function measuredOf(row: Effect): number {
  return row.logit_change ?? row.change;
}

function Change({ value, scale, name }: { value: number; scale: number; name: string }) {
  return (
    <>
      <td className="flow-effect-bar">
        <SignedBar share={value / scale} />
      </td>
      <td className="number" title={String(value)} data-testid={name} data-value={value}>
        {signed(value)}
      </td>
    </>
  );
}

/** The edit's name: a click shows it in the graph. */
function EditName({ row, graph }: { row: Effect; graph: Flow }) {
  const { edits } = useSpec();
  const made = row.edit === null ? undefined : edits[row.edit];
  const id = made ? cutBy(graph, made) : null;
  const says = made ? `${describeOperation(made)} ${whereWords(made)}` : '';
  return (
    <>
      {id === null ? (
        <span className="mono">{row.name}</span>
      ) : (
        <button
          type="button"
          className="link mono"
          title={`${graph.baseline.nodeOf.get(id)?.title ?? id}: show it`}
          onClick={() => setFlow({ focus: id }, 'replace')}
        >
          {row.name}
        </button>
      )}{' '}
      <span className="faint">{says}</span>
    </>
  );
}

/** The box or band that an edit cuts; boxes come first. */
function cutBy({ baseline, tokens }: Flow, made: Edit): string | null {
  const found = [...baseline.nodes, ...baseline.links].find(
    ({ cut }) => cut && cutAt([{ ...made, enabled: true }], cut, tokens.length) === 0,
  );
  return found?.id ?? null;
}

function EffectsFormula({ graph, effects }: { graph: Flow; effects: Effects }) {
  const ofToken = graph.target.of_token;
  const first = effects.edits[0];
  return (
    <Formula
      title="Attributed and measured"
      lines={[
        {
          name: 'attributed',
          formula: hasReadings(graph)
            ? '− (write · s) W_U[target],  s = scale of the final norm'
            : '− write · g,  g = how the head reads the stream for the label',
          ...(first?.attributed === null || first?.attributed === undefined
            ? {}
            : { value: `${signed(first.attributed, 4)} for ${first.name}` }),
          note: 'Minus the direct effect: what is written goes straight to the output, with every later layer and every norm as it was.',
        },
        {
          name: 'measured',
          formula: ofToken
            ? 'logit(target) with the edit − logit(target) without'
            : 'what is explained with the edit − without',
          ...(first ? { value: `${signed(measuredOf(first), 4)} for ${first.name}` } : {}),
          note: 'The model is run again with the edit alone. Later layers answer to it: they may repair what is missing, or lean on it. Probability may move the other way: it depends on all other scores, too.',
        },
        {
          name: 'measured ÷ attributed',
          formula:
            '1: nothing later answers.  < 1: later layers repair it.  > 1: they build on it.',
        },
      ]}
    />
  );
}
