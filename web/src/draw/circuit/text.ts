/** A circuit in words and as a table to keep. */
import { count, figures, percent, signed } from '../format';
import type { CardContent } from '../card';
import {
  dropOf,
  edgesAt,
  isLabelled,
  labelOf,
  nodeOf,
  positionOf,
  sideOf,
  withoutPosition,
  type CircuitData,
  type Edge,
} from './data';

const SIDES: Readonly<Record<string, string>> = { q: 'query', k: 'key', v: 'value' };

/** "head 3 of layer 11", "the feed-forward of layer 3 at position 5". */
export function nodeWords(id: string): string {
  const at = positionOf(id);
  const words = partWords(withoutPosition(id));
  return at === null ? words : `${words} at position ${at}`;
}

function partWords(id: string): string {
  if (id === 'embed') return 'the embedding';
  if (id === 'logits') return 'the logits';
  const found = /^L(\d+)\.(?:H(\d+)|mlp)$/.exec(id);
  if (!found) return id;
  const [, layer, head] = found;
  return head === undefined
    ? `the feed-forward of layer ${layer}`
    : `head ${head} of layer ${layer}`;
}

/** "head 3 of layer 11 to the query of head 3 of layer 13". */
export function edgeWords({ source, target }: { source: string; target: string }): string {
  const side = SIDES[sideOf(target)];
  const reader = nodeWords(nodeOf(target));
  return `${partWords(withoutPosition(source))} to ${side ? `the ${side} of ${reader}` : reader}`;
}

/** What assistive technology reads of a node or an edge. */
export function sentence(data: CircuitData, id: string): string {
  const edge = data.edgeOf.get(id);
  if (edge)
    return `${edgeWords(edge)}: effect ${signed(edge.effect, 3)}${measuredWords(data, edge)}`;
  const [into, from] = [edgesAt(data, id, 'into').length, edgesAt(data, id, 'from').length];
  const label = labelOf(data, id);
  const words = label === '' ? nodeWords(id) : `${nodeWords(id)}, ${label}`;
  return `${words}: ${count(into, 'edge')} in, ${from} out`;
}

function measuredWords(data: CircuitData, edge: Edge): string {
  const parts = [
    ...(edge.measured == null ? [] : [`measured ${signed(edge.measured, 3)}`]),
    ...(edge.within == null ? [] : [`in the circuit ${signed(edge.within, 3)}`]),
  ];
  const drop = dropOf(data, edge);
  if (drop !== null) parts.push(`${percent(drop)} of faithfulness`);
  return parts.length > 0 ? `, ${parts.join(', ')}` : '';
}

/** ", ␣Mary": of the position. */
function tokenWords({ tokens }: CircuitData, id: string): string {
  const token = tokens?.[positionOf(id) ?? -1];
  return token === undefined ? '' : `, ${token}`;
}

const LISTED = 6;

/** What the pop-up says. */
export function circuitCard(data: CircuitData, id: string, hint: string): CardContent {
  const edge = data.edgeOf.get(id);
  if (edge) {
    const drop = dropOf(data, edge);
    return {
      title: id,
      note: edgeWords(edge) + tokenWords(data, edge.reader),
      sides: [
        {
          side: 'baseline',
          name: '',
          top: [],
          facts: [
            ['estimated', signed(edge.effect, 3)],
            ...fact('measured', edge.measured),
            ...fact('in the circuit', edge.within),
            ...(drop === null ? [] : ([['of faithfulness', percent(drop)]] as [string, string][])),
          ],
        },
      ],
      hint,
    };
  }
  const listed = (end: 'into' | 'from') =>
    edgesAt(data, id, end)
      .slice(0, LISTED)
      .map((one): [string, string] => [
        end === 'into' ? `${one.source} ${sideOf(one.target)}`.trim() : one.target,
        signed(one.effect, 2),
      ]);
  const side = (name: string, facts: Array<[string, string]>) => ({
    side: 'baseline' as const,
    name,
    top: [],
    facts,
  });
  return {
    title: id,
    note: [nodeWords(id) + tokenWords(data, id), labelOf(data, id)].filter(Boolean).join(' · '),
    sides: [side('from', listed('into')), side('to', listed('from'))].filter(
      ({ facts }) => facts.length > 0,
    ),
    hint,
  };
}

function fact(name: string, value: number | null | undefined): Array<[string, string]> {
  return value == null ? [] : [[name, signed(value, 3)]];
}

export function circuitTable(data: CircuitData): Array<Array<string | number | null>> {
  const labelled = isLabelled(data);
  return [
    [
      'source',
      'target',
      ...(labelled ? ['source label', 'target label'] : []),
      ...(data.tokens ? ['token'] : []),
      'effect',
      'measured',
      'within',
      'faithfulness',
    ],
    ...data.edges.map((edge) => [
      edge.source,
      edge.target,
      ...(labelled ? [labelOf(data, edge.source), labelOf(data, edge.reader)] : []),
      ...(data.tokens ? [data.tokens[positionOf(edge.target) ?? -1] ?? ''] : []),
      edge.effect,
      edge.measured ?? null,
      edge.within ?? null,
      dropOf(data, edge),
    ]),
  ];
}

/** "5.16 in the model, −3.62 with no edge". */
export function spanWords({ whole, none }: { whole: number; none: number }): string {
  return `${figures(whole)} in the model, ${figures(none)} with no edge`;
}
