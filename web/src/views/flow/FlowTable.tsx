/** The same graph as a table of text: for assistive technology, for find-in-page, for copying. */
import { useState } from 'react';
import { Segments, SideMark, Token } from '../../shared/parts/parts';
import type { Flow as Graph, FlowLink, FlowNode, FlowSideData } from '../../draw/flow/data';
import { linkEnds, linkWords, shareOf, targetName } from '../../draw/flow/text';
import { hiddenKinds } from './flowState';
import { hasReadings, isShown } from '../../draw/flow/data';
import { figures, nats, NONE, percent, probability, rank, signed } from '../../draw/format';
import type { Spec } from '../../shared/text/url';
import { useFlowSpec } from './flowing';
import { change } from '../../shared/state/store';
import { CutButton, type Cutting } from './FlowActions';

type What = 'boxes' | 'bands';
type Side = 'baseline' | 'edited';

interface Props {
  graph: Graph;
  mode: Spec['mode'];
  cutting: Cutting;
}

export function FlowTable({ graph, mode, cutting }: Props) {
  const [what, setWhat] = useState<What>('boxes');
  const hidden = hiddenKinds(useFlowSpec().hidden);
  const sides: Side[] = !graph.edited
    ? ['baseline']
    : mode === 'difference'
      ? ['baseline', 'edited']
      : [mode];
  const first = graph.baseline;
  const nodes = first.nodes.filter((node) => isShown(first, node, hidden));
  const links = first.links.filter((link) => isShown(first, link, hidden));
  return (
    // A region that scrolls must be reachable by keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="lens-table flow-table" tabIndex={0} aria-label="Flow graph as a table">
      <Segments
        name="table-of"
        label="What the table lists"
        value={what}
        options={[
          ['boxes', `${nodes.length} boxes`],
          ['bands', `${links.length} bands`],
        ]}
        onChange={(value: What) => setWhat(value)}
      />
      <table data-testid="flow-table">
        <thead>
          <tr>
            <th scope="col">{what === 'boxes' ? 'box' : 'band'}</th>
            <th scope="col">
              <span className="visually-hidden">cut</span>
            </th>
            {sides.length > 1 ? <th scope="col">side</th> : null}
            {what === 'boxes' ? <NodeHeads graph={graph} /> : <LinkHeads graph={graph} />}
          </tr>
        </thead>
        {what === 'boxes'
          ? nodes.map((node) => (
              <NodeRows key={node.id} node={node} graph={graph} sides={sides} cutting={cutting} />
            ))
          : links.map((link) => (
              <LinkRows key={link.id} link={link} graph={graph} sides={sides} cutting={cutting} />
            ))}
      </table>
    </section>
  );
}

/** Where boxes predict nothing there are no tokens, and none of what is said of them. */
function NodeHeads({ graph }: { graph: Graph }) {
  const read = hasReadings(graph);
  return (
    <>
      {read ? (
        <>
          <th scope="col">tokens</th>
          <th scope="col" className="number">
            p of <bdi className="token">{targetName(graph)}</bdi>
          </th>
          <NumberHeads names={['rank']} />
        </>
      ) : null}
      <NumberHeads
        names={[
          'norm',
          ...(read ? ['entropy, nats'] : []),
          'active',
          'attention',
          'share',
          effectHead(graph),
        ]}
      />
    </>
  );
}

function LinkHeads({ graph }: { graph: Graph }) {
  return (
    <>
      <th scope="col">what passes</th>
      <NumberHeads names={['norm', 'active', 'attention', 'share', effectHead(graph), 'width']} />
    </>
  );
}

function NumberHeads({ names }: { names: readonly string[] }) {
  return names.map((name) => (
    <th key={name} scope="col" className="number">
      {name}
    </th>
  ));
}

function effectHead({ target }: Graph): string {
  return target.of_token ? 'effect, logit' : 'effect';
}

interface RowsProps {
  graph: Graph;
  sides: Side[];
  cutting: Cutting;
}

/** A box, on both sides where both are shown. */
function NodeRows({ node, graph, sides, cutting }: RowsProps & { node: FlowNode }) {
  return (
    <tbody>
      {sides.map((name, place) => {
        const side = graph[name] ?? graph.baseline;
        const same = side.nodeOf.get(node.id);
        return (
          <tr key={name} data-testid={`row-${node.id}`}>
            {place === 0 ? (
              <th scope="rowgroup" rowSpan={sides.length}>
                <NodeTitle node={node} />
              </th>
            ) : null}
            {place === 0 ? <CutCell id={node.id} sides={sides} cutting={cutting} /> : null}
            {sides.length > 1 ? (
              <td>
                <SideMark side={name} />
              </td>
            ) : null}
            {same ? (
              <NodeCells node={same} side={side} read={hasReadings(graph)} />
            ) : (
              <td colSpan={hasReadings(graph) ? 9 : 5}>{NONE}</td>
            )}
          </tr>
        );
      })}
    </tbody>
  );
}

function NodeTitle({ node }: { node: FlowNode }) {
  const { address } = node;
  return (
    <>
      {address ? (
        <button
          type="button"
          className="link mono"
          title={node.title}
          onClick={() => change({ node: address })}
        >
          {node.id}
        </button>
      ) : (
        <span className="mono" title={node.title}>
          {node.id}
        </span>
      )}{' '}
      {node.token ? <Token token={node.token} className="faint" /> : null}
    </>
  );
}

interface NodeCellsProps {
  node: FlowNode;
  side: FlowSideData;
  /** Whether vectors are read as predictions. */
  read: boolean;
}

function NodeCells({ node, side, read }: NodeCellsProps) {
  const own = node.readings[0];
  return (
    <>
      {read ? (
        <>
          <td className="flow-tokens">
            {own?.tokens.slice(0, 5).map(({ token }) => (
              <Token key={token.id} token={token} />
            ))}
          </td>
          <Cell value={own?.target?.probability} write={probability} />
          <Cell value={own?.target?.rank} write={rank} />
        </>
      ) : null}
      <Cell value={own?.norm} write={figures} />
      {read ? <Cell value={own?.entropy} write={nats} /> : null}
      <Cell value={node.activation} write={figures} />
      <Cell value={node.attention} write={percent} />
      <Cell value={shareOf(node, side)} write={percent} />
      <Cell value={node.attributed} write={effect} />
    </>
  );
}

function LinkRows({ link, graph, sides, cutting }: RowsProps & { link: FlowLink }) {
  return (
    <tbody>
      {sides.map((name, place) => {
        const same = (graph[name] ?? graph.baseline).linkOf.get(link.id);
        return (
          <tr key={name}>
            {place === 0 ? (
              <th scope="rowgroup" rowSpan={sides.length} title={linkEnds(link, graph.baseline)}>
                <span className="mono">{link.id.replace('>', ' › ')}</span>
              </th>
            ) : null}
            {place === 0 ? <CutCell id={link.id} sides={sides} cutting={cutting} /> : null}
            {sides.length > 1 ? (
              <td>
                <SideMark side={name} />
              </td>
            ) : null}
            <td>{linkWords(link)}</td>
            <Cell value={same?.norm} write={figures} />
            <Cell value={same?.activation} write={figures} />
            <Cell value={same?.attention} write={percent} />
            <Cell value={same?.share} write={percent} />
            <Cell value={same?.attributed} write={effect} />
            <Cell value={same?.width} write={figures} />
          </tr>
        );
      })}
    </tbody>
  );
}

function CutCell({ id, sides, cutting }: Omit<RowsProps, 'graph'> & { id: string }) {
  return (
    <td rowSpan={sides.length}>
      <CutButton id={id} cutting={cutting} />
    </td>
  );
}

/** A change of the target's logit, or of what is explained in its place. */
function effect(value: number): string {
  return signed(value, 2);
}

interface CellProps {
  value: number | null | undefined;
  write: (value: number) => string;
}

function Cell({ value, write }: CellProps) {
  const there = value !== null && value !== undefined;
  return (
    <td className="number" {...(there ? { title: String(value) } : {})}>
      {there ? write(value) : ''}
    </td>
  );
}
