/** Edges into a node or out of it, in an order that is chosen; arrow keys go from one to the next. */
import { useState, type KeyboardEvent } from 'react';
import type { Edge, GraphData } from '../../draw/graph/data';
import { weightWords } from '../../draw/graph/text';
import { GraphNodeName } from './GraphNodeName';
import { choose } from './graphState';

const ORDERS = {
  size: ['size', 'Largest first, either way'],
  adds: ['adds', 'What adds most first, what takes away most last'],
  place: ['place', 'By layer, then position'],
} as const;
type Order = keyof typeof ORDERS;
const FIRST = 40;

interface Props {
  end: 'into' | 'from';
  data: GraphData;
  edges: readonly Edge[];
}

export function EdgeList({ end, data, edges }: Props) {
  const [order, setOrder] = useState<Order>('size');
  const [all, setAll] = useState(false);
  const title = end === 'into' ? 'What makes it' : 'What it makes';
  if (edges.length === 0) return <p className="faint">{title}: no edge that is shown</p>;
  const other = (edge: Edge) => (end === 'into' ? edge.source : edge.target);
  const shown = inOrder(edges, order, data, other).slice(0, all ? edges.length : FIRST);
  const most = Math.abs(edges[0]?.weight ?? 0);
  return (
    <section className="graph-edges" aria-label={title} data-testid={`edges-${end}`}>
      <p className="graph-edges-head">
        <strong>{title}</strong>{' '}
        <span className="faint">{edges.length.toLocaleString('en')}, by</span>
        {(Object.keys(ORDERS) as Order[]).map((name) => (
          <button
            key={name}
            type="button"
            className="link"
            aria-pressed={name === order}
            title={ORDERS[name][1]}
            onClick={() => setOrder(name)}
          >
            {ORDERS[name][0]}
          </button>
        ))}
      </p>
      {/* Keys of its buttons are caught in one place. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <ul onKeyDown={walk}>
        {shown.map((edge, at) => (
          <li key={edge.id}>
            <button
              type="button"
              tabIndex={at === 0 ? 0 : -1}
              title={`${edge.id}: ${edge.weight}`}
              onClick={() => choose(edge.id)}
            >
              <GraphNodeName data={data} id={other(edge)} />
              <span
                className={`graph-bar ${edge.weight < 0 ? 'minus' : 'plus'}`}
                style={{ width: `${(Math.abs(edge.weight) / most) * 44}px` }}
                aria-hidden="true"
              />
              <span className="number">{weightWords(edge.weight)}</span>
            </button>
          </li>
        ))}
      </ul>
      {shown.length < edges.length ? (
        <button type="button" className="link" onClick={() => setAll(true)}>
          All {edges.length.toLocaleString('en')}
        </button>
      ) : null}
    </section>
  );
}

function inOrder(
  edges: readonly Edge[],
  order: Order,
  data: GraphData,
  other: (edge: Edge) => string,
): readonly Edge[] {
  if (order === 'size') return edges;
  if (order === 'adds') return edges.toSorted((one, two) => two.weight - one.weight);
  const place = (edge: Edge) => data.nodeOf.get(other(edge));
  return edges.toSorted((one, two) => {
    const [a, b] = [place(one), place(two)];
    return (a?.layer ?? 0) - (b?.layer ?? 0) || (a?.position ?? 0) - (b?.position ?? 0);
  });
}

/** One stop for Tab, arrows inside. */
function walk(event: KeyboardEvent<HTMLUListElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const buttons = [...event.currentTarget.querySelectorAll('button')];
  const at = buttons.findIndex((one) => one === document.activeElement);
  const next = buttons[Math.max(0, Math.min(buttons.length - 1, at + step))];
  next?.focus();
  event.preventDefault();
  event.stopPropagation();
}
