/** The flow graph as tables of text: for assistive technology, for find-in-page, for copying. */
import { make, tokenOf } from '../dom';
import { figures, nats, percent, probability, rank, signed } from '../format';
import { isShown, type Flow, type FlowLink, type FlowNode, type FlowSideData } from './data';
import { linkEnds, linkWords, shareOf, targetName } from './text';

export function flowTableOf(graph: Flow, hidden: ReadonlySet<string>): HTMLElement {
  const side = graph.baseline;
  const target = targetName(graph) || 'the target';
  const nodes = side.nodes.filter((node) => isShown(side, node, hidden));
  const links = side.links.filter((link) => isShown(side, link, hidden));
  return make(
    'div',
    { class: 'table', tabindex: 0, role: 'region', 'aria-label': 'Flow graph as a table' },
    tableOf(
      `${nodes.length} boxes`,
      ['box', 'tokens', `p of ${target}`, ...NODE_HEADS],
      nodes.map((node) => nodeRow(node, side)),
    ),
    tableOf(
      `${links.length} bands`,
      ['band', 'what passes', ...LINK_HEADS],
      links.map((link) => linkRow(link, side)),
    ),
  );
}

const NODE_HEADS = [
  'rank',
  'norm',
  'entropy, nats',
  'active',
  'attention',
  'share',
  'effect, logit',
];
const LINK_HEADS = ['norm', 'active', 'attention', 'share', 'effect, logit', 'width'];

function tableOf(caption: string, heads: readonly string[], rows: HTMLElement[]): HTMLElement {
  return make(
    'table',
    { 'data-testid': 'flow-table' },
    make('caption', {}, caption),
    make(
      'thead',
      {},
      make('tr', {}, ...heads.map((head) => make('th', { scope: 'col' }, make('bdi', {}, head)))),
    ),
    make('tbody', {}, ...rows),
  );
}

function nodeRow(node: FlowNode, side: FlowSideData): HTMLElement {
  const own = node.readings[0];
  return make(
    'tr',
    {},
    make(
      'th',
      { scope: 'row', title: node.title },
      node.id,
      ' ',
      node.token ? tokenOf(node.token) : null,
    ),
    make('td', {}, ...(own?.tokens ?? []).slice(0, 5).map(({ token }) => tokenOf(token))),
    number(own?.target?.probability, probability),
    number(own?.target?.rank, rank),
    number(own?.norm, figures),
    number(own?.entropy, nats),
    number(node.activation, figures),
    number(node.attention, percent),
    number(shareOf(node, side), percent),
    number(node.attributed, logitChange),
  );
}

function linkRow(link: FlowLink, side: FlowSideData): HTMLElement {
  return make(
    'tr',
    {},
    make('th', { scope: 'row', title: linkEnds(link, side) }, link.id.replace('>', ' › ')),
    make('td', {}, linkWords(link)),
    number(link.norm, figures),
    number(link.activation, figures),
    number(link.attention, percent),
    number(link.share, percent),
    number(link.attributed, logitChange),
    number(link.width, figures),
  );
}

function logitChange(value: number): string {
  return signed(value, 2);
}

function number(value: number | null | undefined, write: (value: number) => string): HTMLElement {
  if (value === null || value === undefined) return make('td', { class: 'number' });
  return make('td', { class: 'number', title: String(value) }, write(value));
}
