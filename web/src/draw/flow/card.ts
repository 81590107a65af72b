/** What the pop-up says of a box or a band of the flow graph. */
import type { CardContent, CardSide } from '../card';
import { probability, rank } from '../format';
import type { Flow, FlowNode } from './data';
import { isOfSource } from './rows';
import {
  effectOn,
  linkEnds,
  linkFacts,
  linkWords,
  nodeFacts,
  readingWords,
  targetName,
  type Fact,
} from './text';

type Side = 'baseline' | 'edited';

/** `cuttable`: whether x takes it away. */
export function flowCard(
  id: string,
  graph: Flow,
  mode: Side | 'difference',
  cuttable: boolean,
): CardContent | null {
  const names = sidesOf(graph, mode);
  const first = graph[names[0] ?? 'baseline'] ?? graph.baseline;
  const node = first.nodeOf.get(id);
  const link = first.linkOf.get(id);
  const target = targetName(graph);
  const [on, write] = effectOn(graph);
  const sides = names.flatMap((name): CardSide[] => {
    const side = graph[name] ?? graph.baseline;
    const same = side.nodeOf.get(id);
    if (same) return [nodeSide(name, same, target, nodeFacts(same, side, on, write))];
    const band = side.linkOf.get(id);
    return band ? [{ side: name, top: [], facts: linkFacts(band, on, write) }] : [];
  });
  const hint = hintOf(node, cuttable);
  if (node) return { title: node.title, ...noteOf(node), sides, hint };
  return link ? { title: linkEnds(link, first), note: linkWords(link), sides, hint } : null;
}

function sidesOf(graph: Flow, mode: Side | 'difference'): Side[] {
  if (!graph.edited) return ['baseline'];
  return mode === 'difference' ? ['baseline', 'edited'] : [mode];
}

function noteOf(node: FlowNode): { note?: string } {
  if (node.token && node.position !== null && node.position !== undefined)
    return {
      note: `of ${node.token.label} at ${isOfSource(node) ? 'source ' : ''}position ${node.position}`,
    };
  if (node.sign === -1)
    return { note: 'Its activation is negative: it writes its vector the other way round.' };
  return {};
}

function hintOf(node: FlowNode | undefined, cuttable: boolean): string {
  return [
    ...(node?.address ? ['click opens'] : ['click: its paths']),
    ...(cuttable ? ['x cuts'] : []),
  ].join(' · ');
}

function nodeSide(side: Side, node: FlowNode, target: string, facts: Fact[]): CardSide {
  const own = node.readings[0];
  if (own?.norm === 0) return { side, top: [], facts };
  return {
    side,
    top: (own?.tokens ?? []).map((one) => ({
      label: one.token.label,
      probability: one.probability,
    })),
    score: own?.target
      ? {
          label: target,
          probability: probability(own.target.probability),
          logit: '',
          rank: rank(own.target.rank),
        }
      : null,
    also: node.readings
      .slice(1)
      .filter((reading) => reading.entropy !== null)
      .map((reading) => [
        readingWords(reading.name),
        reading.tokens.slice(0, 4).map(({ token }) => token.label),
      ]),
    facts,
  };
}
