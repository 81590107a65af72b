/** What can be done with a box or band: beside the graph, in its menu, in the table. */
import { DropdownMenu } from 'radix-ui';
import type { Schemas } from '../../shared/api/client';
import type { Flow as Graph, FlowCut, FlowLink, FlowNode } from '../../draw/flow/data';
import { pathsOf } from '../../draw/flow/data';
import { effectOn, linkEnds, linkWords, shareOf, targetName } from '../../draw/flow/text';
import { groupOf, type Flow as FlowChoices } from './flowState';
import { percent, probability, rank } from '../../draw/format';
import { Icon, Token } from '../../shared/parts/parts';
import { openPage } from '../../shared/state/exploring';
import { setFlow, toggleCut, toggleGroup, useFlowSpec } from './flowing';
import type { Spec } from '../../shared/text/url';
import { change, notify } from '../../shared/state/store';
import { groupWords } from './FlowMenus';

type FlowScore = Schemas['FlowScore'];

/** What is cut now, and how more is. */
export interface Cutting {
  cuts: ReadonlySet<string>;
  toggle: (id: string) => void;
  possible: (id: string) => boolean;
}

export function cuttingOf(graph: Graph, cuts: ReadonlySet<string>): Cutting {
  return {
    cuts,
    possible: (id) => cutOf(graph, id) !== null,
    toggle: (id) => {
      const cut = cutOf(graph, id);
      if (cut) toggleCut(id, cut);
      else notify('This cannot be cut: it only says how something is read. Cut what it leads to.');
    },
  };
}

export function itemOf(graph: Graph, id: string | null): FlowNode | FlowLink | null {
  if (id === null) return null;
  return graph.baseline.nodeOf.get(id) ?? graph.baseline.linkOf.get(id) ?? null;
}

export function cutOf(graph: Graph, id: string): FlowCut | null {
  return itemOf(graph, id)?.cut ?? null;
}

export function CutButton({ id, cutting }: { id: string; cutting: Cutting }) {
  if (!cutting.possible(id)) return null;
  const cut = cutting.cuts.has(id);
  return (
    <button
      type="button"
      className="tiny"
      aria-pressed={cut}
      aria-label={cut ? `Take back the cut of ${id}` : `Cut ${id}`}
      data-testid={`cut-${id}`}
      title={cut ? 'Take the cut back (x)' : 'Take it away, and see what the model says (x)'}
      onClick={() => cutting.toggle(id)}
    >
      {cut ? 'cut ✕' : 'cut'}
    </button>
  );
}

/** A head, neuron, row of W_O or latent that a node belongs to, as it is named by hand. */
function handName(id: string): string | null {
  return /^(L\d+\.(?:H\d+|N\d+|z\d+|(?:\w+\.)?F\d+))(?:\.|$)/.exec(id)?.[1] ?? null;
}

// ------------------------------------------------------------------ beside the graph

interface SelectedProps {
  graph: Graph;
  side: 'baseline' | 'edited';
  mode: Spec['mode'];
  cutting: Cutting;
}

/** The focused box or band in one line, with all that can be done to it. */
export function FlowSelected({ graph, side, mode, cutting }: SelectedProps) {
  const { focus } = useFlowSpec();
  const drawn = graph[side] ?? graph.baseline;
  const item = focus === null ? null : (drawn.nodeOf.get(focus) ?? drawn.linkOf.get(focus));
  if (!item || focus === null) return null;
  const link = 'source' in item ? item : null;
  const node = 'source' in item ? null : item;
  const read = node?.readings[0];
  const own = read && read.norm > 0 ? read : undefined;
  const before = beforeOf(graph, focus, side, mode);
  const share = node ? shareOf(node, drawn) : (link?.share ?? null);
  return (
    <section className="flow-selected" aria-label="In focus" data-testid="flow-selected">
      <span className="flow-selected-title">
        {node ? node.title : link ? `${linkEnds(link, drawn)}: ${linkWords(link)}` : null}
      </span>
      <span className="chips">
        {read && !own ? <span className="faint">nothing: it is cut</span> : null}
        {own?.tokens.slice(0, 5).map(({ token }) => (
          <Token key={token.id} token={token} />
        ))}
      </span>
      {own?.target ? (
        <span>
          <bdi className="token">{targetName(graph)}</bdi>{' '}
          <span className="number">
            {before ? `${scoreWords(before)} → ` : null}
            {scoreWords(own.target)}
          </span>
        </span>
      ) : null}
      {share === null ? null : (
        <span>
          <span className="number">{percent(share)}</span>{' '}
          <span className="faint">of what is added</span>
        </span>
      )}
      {typeof item.attributed !== 'number' || (read && !own) ? null : (
        <span>
          <span className="faint">direct effect</span>{' '}
          <span className="number">{effectOn(graph)[1](item.attributed)}</span>
        </span>
      )}
      <span className="spring" />
      <CutButton id={focus} cutting={cutting} />
      <Leads node={node} />
      <button
        type="button"
        className="icon-button"
        aria-label="No longer in focus"
        title="All of the graph again (Esc)"
        data-testid="flow-unfocus"
        onClick={() => setFlow({ focus: null }, 'replace')}
      >
        <Icon name="close" />
      </button>
    </section>
  );
}

/** What the baseline said, where both runs are shown and they differ. */
function beforeOf(
  graph: Graph,
  id: string,
  side: 'baseline' | 'edited',
  mode: Spec['mode'],
): FlowScore | null {
  if (mode !== 'difference' || side === 'baseline') return null;
  const [was, is] = [graph.baseline, graph.edited].map(
    (one) => one?.nodeOf.get(id)?.readings[0]?.target ?? null,
  );
  return was && is && scoreWords(was) !== scoreWords(is) ? was : null;
}

function scoreWords(score: FlowScore): string {
  return `${probability(score.probability)} ${rank(score.rank)}`;
}

function Leads({ node }: { node: FlowNode | null }) {
  const address = node?.address;
  if (!address) return null;
  return (
    <>
      <button type="button" className="tiny" onClick={() => change({ node: address })}>
        inspect
      </button>
      <button
        type="button"
        className="tiny"
        data-testid="flow-page"
        onClick={() => openPage(address)}
      >
        page of {address}
      </button>
    </>
  );
}

// ------------------------------------------------------------------ the menu of a box

interface MenuProps {
  /** Null: the ground. */
  id: string | null;
  at: { x: number; y: number };
  graph: Graph;
  cutting: Cutting;
  /** Moved boxes go back to their places, and all of the graph is shown. */
  putBack: () => void;
  close: () => void;
}

export function FlowMenu({ id, at, graph, cutting, putBack, close }: MenuProps) {
  const flow = useFlowSpec();
  const items = id === null ? groundItems(flow, putBack) : itemsOf(id, graph, cutting, flow);
  if (items.length === 0) return null;
  return (
    <DropdownMenu.Root open modal={false} onOpenChange={(open) => (open ? undefined : close())}>
      <DropdownMenu.Trigger
        className="flow-menu-anchor"
        tabIndex={-1}
        aria-label={`What to do with ${id ?? 'the graph'}`}
        style={{ left: at.x, top: at.y }}
      />
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="popover menu"
          align="start"
          collisionPadding={8}
          data-testid="flow-menu"
        >
          {items.map(([label, act]) => (
            <DropdownMenu.Item key={label} onSelect={act}>
              {label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

type Item = [label: string, act: () => void];

function groundItems(flow: FlowChoices, putBack: () => void): Item[] {
  return [
    ['All of the graph, every box in its place', putBack],
    ...(flow.focus === null
      ? []
      : ([['Nothing in focus', () => setFlow({ focus: null }, 'replace')]] as Item[])),
    ...(flow.hidden.length === 0
      ? []
      : ([['Show what is hidden', () => setFlow({ hidden: [] })]] as Item[])),
  ];
}

function itemsOf(id: string, graph: Graph, cutting: Cutting, flow: FlowChoices): Item[] {
  const item = itemOf(graph, id);
  if (!item) return [];
  const address = 'source' in item ? null : (item.address ?? null);
  const group = groupOf(item.kind);
  const hand = handName(id);
  const shown = hand !== null && flow.include.includes(hand);
  const items: Array<Item | null> = [
    [
      flow.focus === id
        ? 'Show all of the graph'
        : `Focus: its ${pathsOf(graph.baseline, id).size - 1} boxes and bands`,
      () => setFlow({ focus: flow.focus === id ? null : id }, 'replace'),
    ],
    cutting.possible(id)
      ? [cutting.cuts.has(id) ? 'Take the cut back' : 'Cut', () => cutting.toggle(id)]
      : null,
    address ? [`Inspect ${address}`, () => change({ node: address })] : null,
    address ? [`Page of ${address}`, () => openPage(address)] : null,
    hand
      ? [
          shown ? `Show ${hand} only where it ranks` : `Always show ${hand}`,
          () =>
            setFlow({
              include: shown
                ? flow.include.filter((name) => name !== hand)
                : [...flow.include, hand],
            }),
        ]
      : null,
    hand ? [`Show only ${hand}`, () => setFlow({ choice: 'hand', include: [hand] })] : null,
    group ? [`Hide: ${groupWords(group).toLowerCase()}`, () => toggleGroup(group)] : null,
  ];
  return items.filter((one) => one !== null);
}
