/** What the pop-up says of a box or a band of the flow graph, with the cut that can be made of it. */
import { flowCard } from '../../draw/flow/card';
import type { Flow as Graph } from '../../draw/flow/data';
import type { CardContent } from '../../draw/card';
import type { Spec } from '../../shared/text/url';

interface Shown {
  graph: Graph;
  mode: Spec['mode'];
  /** Takes it away, or gives it back; null where it cannot be cut. */
  cut: { label: string; run: () => void } | null;
}

export function flowPeek(id: string, { graph, mode, cut }: Shown): CardContent | null {
  const content = flowCard(id, graph, mode, cut !== null);
  return content && { ...content, ...(cut ? { action: cut } : {}) };
}
