/** Where the node acts on this prompt: what later heads, neurons and latents read of its write. */
import type { Schemas } from '../../shared/api/client';
import { figures, signed } from '../../draw/format';
import { ErrorNote } from '../../shared/parts/ErrorNote';
import { Formula } from '../../shared/parts/Formula';
import { NodeName } from '../../shared/parts/NodeName';
import { Status } from '../../shared/parts/ViewBar';
import { change, useSpec } from '../../shared/state/store';
import { asSentence } from '../../shared/view';
import { useActing } from './query';

type Reader = Schemas['Downstream'];

const KINDS: Record<Reader['kind'], [title: string, adds: string]> = {
  score: ['scores of heads', 'adds'],
  value: ['what heads move on', 'norm'],
  neuron: ['neurons, before activation', 'adds'],
  latent: ['latents, before activation', 'adds'],
};
const BY: Record<Reader['through'], string> = {
  q: 'query',
  k: 'key',
  v: 'value',
  gate: 'gate',
  pre: '',
};

interface Props {
  position: number | null;
  side: 'baseline' | 'edited';
}

export function Acting({ position, side }: Props) {
  const spec = useSpec();
  const acting = useActing(spec, position, side);
  const found = acting.data?.target === spec.node ? acting.data : null;
  const kinds = (Object.keys(KINDS) as Reader['kind'][]).filter((kind) =>
    found?.downstream?.some((one) => one.kind === kind),
  );
  return (
    <section className="component-section" data-testid="acting">
      <h3>
        Where it acts{' '}
        <span className="faint">
          what later nodes read of it directly, by its position’s query, or from the last position
        </span>{' '}
        <ActingFormula />
        {acting.busy ? <Status kind="acting" analysis={acting} timed={false} /> : null}
      </h3>
      <ErrorNote ofNode error={acting.error} retry={acting.retry} stale={found !== null} />
      {found?.downstream_reason ? (
        <p className="faint">{asSentence(found.downstream_reason)}</p>
      ) : null}
      {found && kinds.length === 0 && !found.downstream_reason ? (
        <p>Nothing later reads it here: it writes nothing, or it is in the last layer.</p>
      ) : null}
      <div className={`component-acting ${acting.current ? '' : 'stale'}`}>
        {kinds.map((kind) => (
          <Readers
            key={kind}
            kind={kind}
            readers={found?.downstream?.filter((one) => one.kind === kind) ?? []}
          />
        ))}
      </div>
    </section>
  );
}

function Readers({ kind, readers }: { kind: Reader['kind']; readers: Reader[] }) {
  const [title, adds] = KINDS[kind];
  const most = Math.max(...readers.map(({ effect }) => Math.abs(effect)), 1e-12);
  return (
    <table data-testid={`acting-${kind}`}>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col" className="number">
            {adds}
          </th>
          <th scope="col" className="number">
            of
          </th>
        </tr>
      </thead>
      <tbody>
        {readers.map((reader) => (
          <tr key={`${reader.node} ${reader.through}`}>
            <td>
              <button
                type="button"
                className="link mono"
                title={`Open the page of ${stem(reader.node)}`}
                onClick={() => change({ node: stem(reader.node) })}
              >
                {reader.node}
              </button>{' '}
              <span className="faint">{BY[reader.through]}</span>{' '}
              <NodeName node={stem(reader.node)} />
            </td>
            <td
              className="number"
              title={String(reader.effect)}
              style={{ backgroundImage: bar(reader.effect / most) }}
            >
              {kind === 'value' ? figures(reader.effect) : signed(reader.effect)}
            </td>
            <td className="number" title={String(reader.value)}>
              {figures(reader.value)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Without its positions. */
export function stem(node: string): string {
  return node.replace(/@.*$/, '');
}

/** A bar behind a number, from the right. */
function bar(share: number): string {
  const name = share < 0 ? '--negative-bar' : '--positive-bar';
  const at = `${Math.round(Math.abs(share) * 100)}%`;
  const colour = `color-mix(in srgb, var(${name}) 35%, transparent)`;
  return `linear-gradient(to left, ${colour} ${at}, transparent ${at})`;
}

function ActingFormula() {
  return (
    <Formula
      title="Where a node acts"
      lines={[
        {
          name: 'on a neuron or latent',
          formula: 'w_in · ( g ⊙ write ) / scale',
          note: 'What its write is of the number that the activation function is given, through the norm before with its scale held at this run’s value. Past all that lies between: the direct effect, as a trace of that neuron lists it.',
        },
        {
          name: 'on a score',
          formula: 'Δq · k   or   q · Δk',
          note: 'By the query that stands at its position, for the key it changes most, or by its key, for the query at the last position; the other held.',
        },
        {
          name: 'on what a head moves',
          formula: '‖ pattern · Δv · W_O ‖',
          note: 'The norm of what the head takes of it to the last position, beside the norm of all that it takes from there.',
        },
      ]}
    />
  );
}
