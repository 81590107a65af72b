/** What was traced, from the answer on, step by step, as it stands in the address. */
import type { Schemas } from '../../shared/api/client';

export type Through = NonNullable<Schemas['Trace']['through']>;

/** What a trace upstream starts from: one number of the run. */
const TRACED = /^L\d{1,4}\.(?:H\d{1,4}@\d{1,6}<\d{1,6}|N\d{1,7}@\d{1,6})$/;
/** What a trace downstream starts from: whatever writes to the stream. */
const WRITES =
  /^(?:embed|L\d{1,4}\.(?:H\d{1,4}|N\d{1,7}|F\d{1,9}|attn|mlp|mixer|ple|(?:attn|mlp)_bias))@\d{1,6}$/;
const WAY = /^\w{1,4}$/;
/** After the node, and through what: the step goes downstream. */
const DOWN = ':down';
export const MOST_STEPS = 64;

export const OF_PAIRS = ['qk', 'q', 'k', 'v'] as const satisfies readonly Through[];
export const OF_NEURONS = ['gate', 'pre'] as const satisfies readonly Through[];

export interface Step {
  node: string;
  through: Through | null;
  /** What reads the node is listed, not what made it. */
  down: boolean;
}

/** Each node and through what it is traced: "L15.H1@8<3:v"; without that as the server chooses. */
export function isStep(written: string): boolean {
  const down = written.endsWith(DOWN);
  const [node = '', way, ...more] = (down ? written.slice(0, -DOWN.length) : written).split(':');
  const legal = TRACED.test(node) || (down && WRITES.test(node));
  return legal && more.length === 0 && (way === undefined || WAY.test(way));
}

export function stepOf(written: string): Step {
  const down = written.endsWith(DOWN);
  const [node = written, way] = (down ? written.slice(0, -DOWN.length) : written).split(':');
  const through = [...OF_PAIRS, ...OF_NEURONS].find((one) => one === way);
  return { node, through: through ?? null, down };
}

export function stepWritten({ node, through, down }: Step): string {
  return `${node}${through ? `:${through}` : ''}${down ? DOWN : ''}`;
}

/** The steps before the last one that are of its trace: those of its direction, one after the other. */
export function trailOf(steps: readonly string[]): string[] {
  const { down } = stepOf(steps.at(-1) ?? '');
  const before = steps.slice(0, -1);
  const turn = before.findLastIndex((one) => stepOf(one).down !== down);
  return before.slice(turn + 1);
}

interface Named {
  id: string;
  other: number | null;
}

/** One number of the page's own prompt: a neuron there, or a head's look from one token at another. */
export function isTraceable({ id, other }: Named): boolean {
  return other === null && TRACED.test(id);
}

/** Something of the page's own prompt that writes to the stream. */
export function isWriter({ id, other }: Named): boolean {
  return other === null && (TRACED.test(id) || WRITES.test(id));
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

/** Whether the last step, a pair, reads by its value what is written before it in the trail. */
export function carriesOn(steps: readonly string[]): boolean {
  const before = trailOf(steps).at(-1);
  const key = stepOf(steps.at(-1) ?? '').node.split('<')[1];
  return before !== undefined && key !== undefined && key === writesAt(stepOf(before).node);
}

function writesAt(node: string): string | undefined {
  return node.split('@')[1]?.split('<')[0];
}
