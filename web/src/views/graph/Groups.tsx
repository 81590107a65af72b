/** What is picked, to be taken together under a name; and the groups that there are. */
import { useState } from 'react';
import { count } from '../../draw/format';
import { groupId, type GraphData } from '../../draw/graph/data';
import { Check } from '../../shared/parts/Choice';
import {
  choose,
  misnamed,
  setGraph,
  takeApart,
  takeTogether,
  toggleMark,
  useGraphSpec,
  usePassing,
} from './graphState';

export function Groups({ data }: { data: GraphData }) {
  const { groups, apart } = useGraphSpec();
  const marked = usePassing((state) => state.marked);
  if (groups.length === 0 && marked.length === 0) return null;
  return (
    <section className="graph-groups" aria-label="Groups" data-testid="graph-groups">
      <h3>Groups</h3>
      {groups.length > 0 ? (
        <>
          <ul>
            {groups.map(({ name, nodes }) => (
              <li key={name}>
                <button type="button" className="link" onClick={() => choose(groupId(name))}>
                  {name}
                </button>
                <span className="faint">
                  {data.nodeOf.has(groupId(name)) || apart
                    ? count(nodes.length, 'node')
                    : 'none of its nodes is shown'}
                </span>
                <button
                  type="button"
                  className="tiny"
                  aria-label={`Take ${name} apart`}
                  onClick={() => takeApart(name)}
                >
                  ✕
                </button>
              </li>
            ))}
          </ul>
          <Check
            name="groups-apart"
            checked={apart}
            onChange={() => setGraph({ apart: !apart }, 'replace')}
          >
            Show their nodes
          </Check>
        </>
      ) : null}
      {marked.length > 0 ? <Picked data={data} marked={marked} /> : null}
    </section>
  );
}

function Picked({ data, marked }: { data: GraphData; marked: readonly string[] }) {
  const { groups } = useGraphSpec();
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const make = () => {
    const wrong = misnamed(name.trim(), groups);
    setProblem(wrong);
    if (wrong !== null) return;
    takeTogether(name.trim());
    setName('');
  };
  return (
    <>
      <p className="faint">{count(marked.length, 'node')} picked</p>
      <ul className="graph-members">
        {marked.map((id) => (
          <li key={id}>
            <button
              type="button"
              className="tiny mono"
              aria-label={`Do not pick ${id}`}
              onClick={() => toggleMark(id)}
            >
              {id} ✕
            </button>{' '}
            <bdi className="faint">{data.nodeOf.get(id)?.label}</bdi>
          </li>
        ))}
      </ul>
      <form
        className="circuit-hand"
        onSubmit={(event) => {
          event.preventDefault();
          make();
        }}
      >
        <input
          data-testid="group-name"
          aria-label="A name for these nodes together"
          placeholder="say a city"
          autoComplete="off"
          value={name}
          aria-invalid={problem !== null}
          onChange={(event) => {
            setName(event.target.value);
            setProblem(null);
          }}
        />
        <button type="submit" data-testid="take-together">
          Take together
        </button>
      </form>
      {problem === null ? null : <p className="option-note problem">{problem}</p>}
    </>
  );
}
