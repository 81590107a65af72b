/** Which heads are shown, each with its factor: as a set that is added to, as what is asked for. */
import { headName, parsePicks, pickName, type HeadPick, type Named, type Part } from './pickNames';

export {
  formatPick,
  formatPicks,
  headName,
  parsePicks,
  type HeadPick,
  type Part,
} from './pickNames';

export interface Head extends HeadPick {
  head: number;
}

/** What is known of the heads of a model. */
export interface Heads {
  /** How many each layer has, 0 where none are known. */
  heads: Readonly<Record<string, readonly number[]>>;
}

/** All heads of a layer together, as a node: "L5.attn", "L5.cross", "E5.attn". */
export function branchName({ part, layer }: Pick<Head, 'part' | 'layer'>): string {
  return `${part === 'encoder' ? 'E' : 'L'}${layer}.${part === 'cross' ? 'cross' : 'attn'}`;
}

/** What is wrong with a text of heads, in a sentence; null where it names heads of this model. */
export function picksProblem(text: string, model: Heads): string | null {
  const picks = parsePicks(text);
  if (!picks) return 'Write heads like L5.H1, with a factor L5.H1*0.5, or L5 for all of layer 5.';
  const [first] = picks;
  if (!first) return null;
  const layers = layersOf(model, first.part);
  if (layers.length === 0) return 'This model has no encoder that reads a source.';
  if (picks.some(({ part }) => part !== first.part))
    return 'Heads of one kind are shown at a time: L5.H1, or L5.X1 to the source, or E5.H1 of the encoder.';
  const strange = picks.find(({ layer }) => !layers.includes(layer));
  if (strange)
    return `Layer ${strange.layer} has no attention here: ${layers.length === 1 ? `layer ${layers[0]} has` : `layers ${ranges(layers)} have`}.`;
  const beyond = picks.find((pick) => !isThere(model, pick));
  if (!beyond) return null;
  return `Layer ${beyond.layer} has heads 0–${headCount(model, beyond.part, beyond.layer) - 1}.`;
}

/** "0–11", "3, 7, 11". */
export function ranges(layers: readonly number[]): string {
  const [first, last] = [layers[0] ?? 0, layers.at(-1) ?? 0];
  const together = layers.length > 2 && last - first + 1 === layers.length;
  return together ? `${first}–${last}` : layers.join(', ');
}

// ------------------------------------------------------------------ as a set

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** How many heads a layer has. */
export function headCount(model: Heads, part: Part, layer: number): number {
  return model.heads[part]?.[layer] ?? 0;
}

/** The most heads that a layer of a part has. */
export function mostHeads(model: Heads, part: Part): number {
  return Math.max(0, ...(model.heads[part] ?? []));
}

/** The layers that have heads of a part. */
export function layersOf(model: Heads, part: Part): readonly number[] {
  return (model.heads[part] ?? []).flatMap((count, layer) => (count > 0 ? [layer] : []));
}

/** "L3", "L3.H0", "L3.H1" … are of the model. */
function isThere(model: Heads, { part, layer, head }: HeadPick): boolean {
  return (head ?? 0) < headCount(model, part, layer);
}

/** All heads of a layer. */
export function isWhole(model: Heads, heads: readonly Head[]): boolean {
  const [first] = heads;
  return first !== undefined && heads.length === headCount(model, first.part, first.layer);
}

export function partOf(heads: readonly HeadPick[]): Part {
  return heads[0]?.part ?? 'self';
}

/** The heads one by one: of those picked, what the model has; else all of the layer in the middle. */
export function headsOf(picks: readonly HeadPick[], model: Heads): Head[] {
  const part = partOf(picks);
  const layers = layersOf(model, part);
  const there = picks.filter((pick) => pick.part === part && isThere(model, pick));
  const shown = there.length > 0 ? there : [middleLayer(model, layers.length > 0 ? part : 'self')];
  const each = new Map<string, Head>();
  for (const pick of shown) {
    const all = () => upTo(headCount(model, pick.part, pick.layer));
    for (const head of pick.head === null ? all() : [pick.head])
      each.set(headName({ ...pick, head }), { ...pick, head });
  }
  return [...each.values()].toSorted((a, b) => a.layer - b.layer || a.head - b.head);
}

export function wholeLayer(layer: number, part: Part = 'self'): HeadPick {
  return { part, layer, head: null, weight: 1 };
}

/** All heads of the layer in the middle of those that have any. */
export function middleLayer(model: Heads, part: Part = 'self'): HeadPick {
  const layers = layersOf(model, part);
  return wholeLayer(layers[Math.floor(layers.length / 2)] ?? 0, part);
}

/** In few letters: where all heads of a layer are there, as that. */
export function picksOf(heads: readonly Head[], model: Heads): HeadPick[] {
  const layers = [...new Set(heads.map(({ layer }) => layer))];
  return layers.flatMap((layer): HeadPick[] => {
    const own = heads.filter((head) => head.layer === layer);
    const weight = own[0]?.weight ?? 1;
    const whole = isWhole(model, own) && own.every((head) => head.weight === weight);
    return whole ? [{ part: partOf(own), layer, head: null, weight }] : own;
  });
}

/** With one head more, or without it; the last one stays. */
export function toggled(picks: readonly HeadPick[], model: Heads, head: Named): HeadPick[] {
  const heads = headsOf(picks, model);
  const without = heads.filter((one) => headName(one) !== headName(head));
  if (without.length < heads.length)
    return without.length > 0 ? picksOf(without, model) : [...picks];
  const { part, layer, head: number } = head;
  const more = [...heads, { part, layer, head: number, weight: 1 }];
  return picksOf(
    more.toSorted((a, b) => a.layer - b.layer || a.head - b.head),
    model,
  );
}

export function weighed(
  picks: readonly HeadPick[],
  model: Heads,
  head: Named,
  weight: number,
): HeadPick[] {
  const heads = headsOf(picks, model).map((one) =>
    headName(one) === headName(head) ? { ...one, weight } : one,
  );
  return picksOf(heads, model);
}

/** The same heads some layers of attention on, or back; null where one would leave the model. */
export function shifted(picks: readonly HeadPick[], model: Heads, step: number): HeadPick[] | null {
  const heads = headsOf(picks, model);
  const layers = layersOf(model, partOf(heads));
  const moved = heads.map((head) => {
    const layer = layers[layers.indexOf(head.layer) + step];
    return layer === undefined || !isThere(model, { ...head, layer }) ? null : { ...head, layer };
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
  const layer = pickName({ ...first, head: null });
  if (isWhole(model, heads)) return `${layer}, all ${heads.length}`;
  return heads.length <= 3 ? heads.map(headName).join(' ') : `${layer}, ${heads.length} heads`;
}

// ------------------------------------------------------------------ as what is asked for

export interface AskedHeads {
  /** Absent: the layers' own attention. */
  part?: Part;
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
  const part = partOf(heads);
  const weightOf = new Map(heads.map((head) => [headName(head), head.weight]));
  const every = layers.every((layer) =>
    upTo(headCount(model, part, layer)).every((head) => own.includes(head)),
  );
  const weights = layers.flatMap((layer) =>
    (every ? upTo(headCount(model, part, layer)) : own).map(
      (head) => weightOf.get(headName({ part, layer, head })) ?? 0,
    ),
  );
  return {
    ...(part === 'self' ? {} : { part }),
    layers,
    heads: every ? null : own,
    weights: weights.every((weight) => weight === 1) ? null : weights,
  };
}
