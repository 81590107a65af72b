/** Which heads are shown, each with its factor: as text, as a set that is added to, as what is asked for. */
import { parseTarget } from '../../shared/text/address';

/** One head, or all of a layer. */
export interface HeadPick {
  layer: number;
  /** Null: all of the layer. */
  head: number | null;
  weight: number;
}

export interface Head extends HeadPick {
  head: number;
}

/** What is known of the heads of a model. */
export interface Heads {
  n_heads: number;
  /** Layers whose token mixer is attention. */
  attention_layers: readonly number[];
}

const MOST_PICKS = 4096;
const WEIGHT = /^[-−]?\d{1,6}(\.\d{1,6})?$/;

// ------------------------------------------------------------------ as text

/** "L5", "L5.H1", "L5.H1*0.5". */
export function formatPick({ layer, head, weight }: HeadPick): string {
  const name = head === null ? `L${layer}` : headName({ layer, head });
  return weight === 1 ? name : `${name}*${weight}`;
}

export function formatPicks(picks: readonly HeadPick[]): string {
  return picks.map(formatPick).join(',');
}

export function headName({ layer, head }: { layer: number; head: number }): string {
  return `L${layer}.H${head}`;
}

/** Reads "L5.H1, L4*0.5"; each head once, the last time counts. Null: something in it is no head. */
export function parsePicks(text: string): HeadPick[] | null {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0 || parts.length > MOST_PICKS) return null;
  const found = parts.map(parsePick);
  return found.every((pick) => pick !== null) ? inOrder(found) : null;
}

function parsePick(text: string): HeadPick | null {
  const [name = '', factor, ...more] = text.split(/[*×]/);
  if (more.length > 0 || (factor !== undefined && !WEIGHT.test(factor))) return null;
  const weight = factor === undefined ? 1 : Number(factor.replace('−', '-')) + 0;
  const layer = /^l?(\d{1,4})$/i.exec(name);
  if (layer) return { layer: Number(layer[1]), head: null, weight };
  const target = parseTarget(name);
  return target?.kind === 'head' && target.query === undefined
    ? { layer: target.layer, head: target.head, weight }
    : null;
}

/** Layer by layer, all of a layer before its heads. */
function inOrder(picks: readonly HeadPick[]): HeadPick[] {
  const each = new Map(picks.map((pick) => [`${pick.layer}.${pick.head ?? ''}`, pick]));
  return [...each.values()].toSorted(
    (a, b) => a.layer - b.layer || (a.head ?? -1) - (b.head ?? -1),
  );
}

/** What is wrong with a text of heads, in a sentence; null where it names heads of this model. */
export function picksProblem(text: string, model: Heads): string | null {
  const picks = parsePicks(text);
  if (!picks) return 'Write heads like L5.H1, with a factor L5.H1*0.5, or L5 for all of layer 5.';
  const strange = picks.find(({ layer }) => !model.attention_layers.includes(layer));
  if (strange)
    return `Layer ${strange.layer} has no attention here: layers ${ranges(model.attention_layers)} have.`;
  const beyond = picks.find(({ head }) => head !== null && head >= model.n_heads);
  return beyond ? `Each layer has heads 0–${model.n_heads - 1}.` : null;
}

/** "0–11", "3, 7, 11". */
export function ranges(layers: readonly number[]): string {
  const [first, last] = [layers[0] ?? 0, layers.at(-1) ?? 0];
  const together = layers.length > 2 && last - first + 1 === layers.length;
  return together ? `${first}–${last}` : layers.join(', ');
}

// ------------------------------------------------------------------ as a set

/** The heads one by one: of those picked, what the model has; else all of the layer in the middle. */
export function headsOf(picks: readonly HeadPick[], model: Heads): Head[] {
  const there = picks.filter(
    ({ layer, head }) =>
      model.attention_layers.includes(layer) && (head === null || head < model.n_heads),
  );
  const shown = there.length > 0 ? there : [wholeLayer(middleLayer(model))];
  const each = new Map<string, Head>();
  for (const { layer, head, weight } of shown) {
    const heads = head === null ? Array.from({ length: model.n_heads }, (_, at) => at) : [head];
    for (const one of heads) each.set(headName({ layer, head: one }), { layer, head: one, weight });
  }
  return [...each.values()].toSorted((a, b) => a.layer - b.layer || a.head - b.head);
}

export function wholeLayer(layer: number): HeadPick {
  return { layer, head: null, weight: 1 };
}

export function middleLayer({ attention_layers: layers }: Heads): number {
  return layers[Math.floor(layers.length / 2)] ?? 0;
}

/** In few letters: where all heads of a layer are there, as that. */
export function picksOf(heads: readonly Head[], model: Heads): HeadPick[] {
  const layers = [...new Set(heads.map(({ layer }) => layer))];
  return layers.flatMap((layer): HeadPick[] => {
    const own = heads.filter((head) => head.layer === layer);
    const weight = own[0]?.weight ?? 1;
    const whole = own.length === model.n_heads && own.every((head) => head.weight === weight);
    return whole ? [{ layer, head: null, weight }] : own;
  });
}

/** With one head more, or without it; the last one stays. */
export function toggled(
  picks: readonly HeadPick[],
  model: Heads,
  head: { layer: number; head: number },
): HeadPick[] {
  const heads = headsOf(picks, model);
  const without = heads.filter((one) => headName(one) !== headName(head));
  if (without.length < heads.length)
    return without.length > 0 ? picksOf(without, model) : [...picks];
  const more = [...heads, { ...head, weight: 1 }];
  return picksOf(
    more.toSorted((a, b) => a.layer - b.layer || a.head - b.head),
    model,
  );
}

export function weighed(
  picks: readonly HeadPick[],
  model: Heads,
  head: { layer: number; head: number },
  weight: number,
): HeadPick[] {
  const heads = headsOf(picks, model).map((one) =>
    headName(one) === headName(head) ? { ...one, weight } : one,
  );
  return picksOf(heads, model);
}

/** The same heads some layers of attention on, or back; null where one would leave the model. */
export function shifted(picks: readonly HeadPick[], model: Heads, step: number): HeadPick[] | null {
  const { attention_layers: layers } = model;
  const moved = headsOf(picks, model).map((head) => {
    const layer = layers[layers.indexOf(head.layer) + step];
    return layer === undefined ? null : { ...head, layer };
  });
  return moved.every((head) => head !== null) ? picksOf(moved, model) : null;
}

/** "L5, all 12 heads", "L5.H1", "4 heads of 2 layers". */
export function headsWords(heads: readonly Head[], model: Heads): string {
  const [first] = heads;
  if (!first) return '…';
  const layers = new Set(heads.map(({ layer }) => layer)).size;
  if (heads.length === 1) return headName(first);
  if (layers > 1) return `${heads.length} heads of ${layers} layers`;
  return heads.length === model.n_heads
    ? `L${first.layer}, all ${heads.length}`
    : heads.length <= 3
      ? `L${first.layer}.${heads.map(({ head }) => `H${head}`).join(' ')}`
      : `L${first.layer}, ${heads.length} heads`;
}

// ------------------------------------------------------------------ as what is asked for

export interface AskedHeads {
  layers: number[];
  heads: number[] | null;
  weights: number[] | null;
}

/**
 * A question names layers, and the same heads of each: heads that nobody picked have the factor 0, so
 * that what all become is made of the others.
 */
export function askedHeads(heads: readonly Head[], model: Heads): AskedHeads {
  const layers = [...new Set(heads.map(({ layer }) => layer))].toSorted((a, b) => a - b);
  const own = [...new Set(heads.map(({ head }) => head))].toSorted((a, b) => a - b);
  const weightOf = new Map(heads.map((head) => [headName(head), head.weight]));
  const weights = layers.flatMap((layer) =>
    own.map((head) => weightOf.get(headName({ layer, head })) ?? 0),
  );
  return {
    layers,
    heads: own.length === model.n_heads ? null : own,
    weights: weights.every((weight) => weight === 1) ? null : weights,
  };
}
