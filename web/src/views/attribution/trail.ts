/** What was traced, from the answer on, step by step, as it stands in the address. */
import type { Schemas } from '../../shared/api/client';

export type Through = NonNullable<Schemas['Trace']['through']>;

/** Each node and through what it is traced: "L15.H1@8<3:v"; without that as the server chooses. */
export const STEP = /^L\d{1,4}\.(?:H\d{1,4}@\d{1,6}<\d{1,6}|N\d{1,7}@\d{1,6})(?::\w{1,4})?$/;
export const MOST_STEPS = 64;

export const OF_PAIRS = ['qk', 'q', 'k', 'v'] as const satisfies readonly Through[];
export const OF_NEURONS = ['gate', 'pre'] as const satisfies readonly Through[];

export interface Step {
  node: string;
  through: Through | null;
}

export function stepOf(written: string): Step {
  const [node = written, way] = written.split(':');
  const through = [...OF_PAIRS, ...OF_NEURONS].find((one) => one === way);
  return { node, through: through ?? null };
}

/** One number of the page's own prompt: a neuron there, or a head's look from one token at another. */
export function isTraceable({ id, other }: { id: string; other: number | null }): boolean {
  return other === null && STEP.test(id);
}

/**
 * Ways into a node; of a neuron without a gate there is one. What a value brings is told towards
 * something before it in the trail: the score of a label is nothing that is read of the stream.
 */
export function waysInto(
  node: string,
  answer: Through | null,
  ofLabel = false,
): readonly Through[] {
  if (node.includes('<')) return ofLabel ? OF_PAIRS.filter((way) => way !== 'v') : OF_PAIRS;
  return answer === 'gate' ? OF_NEURONS : [];
}
