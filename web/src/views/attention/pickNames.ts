/** Heads as text: in the address, and where a person types them. */
import { parseTarget } from '../../shared/text/address';

/** Whose attention: a layer's own, a decoder's to its source, or the encoder's own. */
export type Part = 'self' | 'cross' | 'encoder';

/** One head, or all of a layer. */
export interface HeadPick {
  part: Part;
  layer: number;
  /** Null: all of the layer. */
  head: number | null;
  weight: number;
}

const MOST_PICKS = 4096;
const WEIGHT = /^[-−]?\d{1,6}(\.\d{1,6})?$/;

/** "L5", "L5.H1", "L5.H1*0.5"; of a decoder's attention to its source "L5.X1", of the encoder "E5.H1". */
export function formatPick(pick: HeadPick): string {
  const name = pickName(pick);
  return pick.weight === 1 ? name : `${name}*${pick.weight}`;
}

export function formatPicks(picks: readonly HeadPick[]): string {
  return picks.map(formatPick).join(',');
}

export interface Named {
  part: Part;
  layer: number;
  head: number;
}

export function headName({ part, layer, head }: Named): string {
  return `${part === 'encoder' ? 'E' : 'L'}${layer}.${part === 'cross' ? 'X' : 'H'}${head}`;
}

export function pickName({ part, layer, head }: HeadPick): string {
  if (head !== null) return headName({ part, layer, head });
  return { self: `L${layer}`, cross: `L${layer}.X`, encoder: `E${layer}` }[part];
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
  const place = parseWhole(name) ?? parseEncoderHead(name) ?? parseHead(name);
  return place && { ...place, weight };
}

type Place = Omit<HeadPick, 'weight'>;

/** "5", "L5", "L5.X", "E5". */
function parseWhole(name: string): Place | null {
  const found = /^(l?|e)(\d{1,4})(\.x)?$/i.exec(name);
  if (!found) return null;
  const encoder = found[1]?.toLowerCase() === 'e';
  if (encoder && found[3]) return null;
  const part = encoder ? 'encoder' : found[3] ? 'cross' : 'self';
  return { part, layer: Number(found[2]), head: null };
}

function parseEncoderHead(name: string): Place | null {
  const found = /^e(\d{1,4})\.?h(\d{1,4})$/i.exec(name);
  return found && { part: 'encoder', layer: Number(found[1]), head: Number(found[2]) };
}

function parseHead(name: string): Place | null {
  const target = parseTarget(name);
  if (target?.kind !== 'head' && target?.kind !== 'cross_head') return null;
  if (target.query !== undefined) return null;
  const { layer, head } = target;
  return { part: target.kind === 'head' ? 'self' : 'cross', layer, head };
}

/** Layer by layer, all of a layer before its heads. */
function inOrder(picks: readonly HeadPick[]): HeadPick[] {
  const each = new Map(picks.map((pick) => [pickName(pick), pick]));
  return [...each.values()].toSorted(
    (a, b) => a.layer - b.layer || (a.head ?? -1) - (b.head ?? -1),
  );
}
