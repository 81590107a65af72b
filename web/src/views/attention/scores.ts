/** What heads do, as numbers: which are listed, in which order, and how a number is said. */
import { NONE, nats, probability } from '../../draw/format';
import type { Schemas } from '../../shared/api/client';
import type { NodeName } from '../../shared/api/workspace';
import type { Order } from './attentionState';
import { headName, headsOf, layersOf, wholeLayer, type Heads, type Part } from './picks';

type HeadScores = Schemas['HeadScores'];

/** Of every head of a part, layer by layer. */
export function headNames(model: Heads, part: Part): string[] {
  return layersOf(model, part).flatMap((layer) =>
    headsOf([wholeLayer(layer, part)], model).map(headName),
  );
}

export function scoreOf(scores: HeadScores, kind: string, head: string): number | null {
  return scores.scores[scores.kinds.indexOf(kind)]?.[scores.heads.indexOf(head)] ?? null;
}

/** The score that heads are sorted by, as the answer names it; null: none, or none yet. */
export function kindOf(order: Order, scores: HeadScores | null): string | null {
  const kind = order === 'score' ? scores?.kind : order;
  return kind !== undefined && scores?.kinds.includes(kind) ? kind : null;
}

/** Those that score highest come first; heads without a score last. As they are where nothing sorts them. */
export function sorted(
  names: readonly string[],
  kind: string | null,
  scores: HeadScores | null,
): string[] {
  if (kind === null || !scores) return [...names];
  const each = new Map(names.map((name) => [name, scoreOf(scores, kind, name) ?? -Infinity]));
  return names.toSorted((a, b) => (each.get(b) ?? 0) - (each.get(a) ?? 0));
}

/** By the name of a head, "L5", or by the name that a person gave it. */
export function found(
  names: readonly string[],
  find: string,
  given: ReadonlyMap<string, NodeName>,
): string[] {
  const wanted = find.trim().toLowerCase();
  if (wanted === '') return [...names];
  return names.filter((name) => {
    const own = given.get(name);
    return [name, own?.name, own?.note].some((text) => text?.toLowerCase().includes(wanted));
  });
}

/** Shares of attention are probabilities; nats and tokens are not. */
export function scoreWords(kind: string, score: number | null): string {
  if (score === null) return NONE;
  if (kind === 'distance') return score.toFixed(1);
  if (kind === 'entropy') return nats(score);
  return score < 0 ? `−${probability(-score)}` : probability(score); // a typed sum may be negative
}

/** All that is known of a head, as lines of a pop-up. */
export function scoreFacts(scores: HeadScores, head: string): Array<[string, string]> {
  return scores.kinds.map((kind) => [
    `${kind}${{ entropy: ', nats', distance: ', tokens' }[kind] ?? ''}`,
    scoreWords(kind, scoreOf(scores, kind, head)),
  ]);
}
