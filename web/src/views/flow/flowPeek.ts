/** What the pop-up says of a box or a band of the flow graph. */
import type { Flow as Graph, FlowNode, FlowSideData } from '../../draw/flow/data';
import {
  linkEnds,
  linkFacts,
  linkWords,
  nodeFacts,
  readingWords,
  targetName,
} from '../../draw/flow/text';
import { probability, rank } from '../../draw/format';
import type { Spec } from '../../shared/text/url';
import type { PeekContent, PeekSide } from '../../shared/state/peek';

interface Shown {
  graph: Graph;
  mode: Spec['mode'];
  /** Takes it away, or gives it back; null where it cannot be cut. */
  cut: { label: string; run: () => void } | null;
}

export function flowPeek(id: string, { graph, mode, cut }: Shown): PeekContent | null {
  const names = sidesOf(graph, mode);
  const first = graph[names[0] ?? 'baseline'] ?? graph.baseline;
  const node = first.nodeOf.get(id);
  const link = first.linkOf.get(id);
  if (!node && !link) return null;
  const target = targetName(graph);
  const sides = names.flatMap((name): PeekSide[] => {
    const side = graph[name] ?? graph.baseline;
    const same = side.nodeOf.get(id);
    if (same) return [nodeSide(name, same, side, target)];
    const band = side.linkOf.get(id);
    return band ? [{ side: name, top: [], facts: linkFacts(band, target) }] : [];
  });
  return {
    title: node ? node.title : linkEnds(link ?? missing(), first),
    ...noteOf(node, link ? linkWords(link) : null),
    sides,
    hint: hintOf(node, cut !== null),
    ...(cut ? { action: cut } : {}),
  };
}

function missing(): never {
  throw new Error('neither a node nor a link');
}

function sidesOf(graph: Graph, mode: Spec['mode']): Array<'baseline' | 'edited'> {
  if (!graph.edited) return ['baseline'];
  return mode === 'difference' ? ['baseline', 'edited'] : [mode];
}

function noteOf(node: FlowNode | undefined, words: string | null): { note?: string } {
  if (words !== null) return { note: words };
  if (node?.token && node.position !== null && node.position !== undefined)
    return { note: `of ${node.token.label} at position ${node.position}` };
  if (node?.sign === -1)
    return { note: 'Its activation is negative: it writes its vector the other way round.' };
  return {};
}

function hintOf(node: FlowNode | undefined, cuttable: boolean): string {
  return [
    ...(node?.address ? ['click opens'] : ['click: its paths']),
    ...(cuttable ? ['x cuts'] : []),
  ].join(' · ');
}

function nodeSide(
  name: PeekSide['side'],
  node: FlowNode,
  side: FlowSideData,
  target: string,
): PeekSide {
  const own = node.readings[0];
  if (own?.norm === 0) return { side: name, top: [], facts: nodeFacts(node, side, target) };
  return {
    side: name,
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
      .map((reading) => [
        readingWords(reading.name),
        reading.tokens.slice(0, 4).map(({ token }) => token.label),
      ]),
    facts: nodeFacts(node, side, target),
  };
}
