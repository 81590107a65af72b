/**
 * How thick a link is drawn. Widths of one family share one scale, so that they can be compared; norms of
 * the stream, attention scores and activations have no common unit, and in many models no common size.
 */
import type { FlowLink, FlowSideData, LinkKind } from './data';

/** Norms in the stream; norms inside the attention; scores; activations; widths that say nothing. */
export type Family = 'stream' | 'inner' | 'attention' | 'activation' | 'fixed';

/** Units of drawing for one unit of width. */
export type Scales = Readonly<Record<Family, number>>;

/** Height of the widest residual band. */
export const LANE = 104;
/** Most that the links of one column may take together. */
const COLUMN = 560;
const PER_UNIT = 0.9;
/** They say nothing: less than those that do. */
const PER_FIXED = 0.5;
const THINNEST = 0.5;

const FAMILY: Readonly<Partial<Record<LinkKind, Family>>> = {
  qkv: 'inner',
  query: 'inner',
  attention: 'attention',
  activation: 'activation',
  z_row_key: 'fixed',
  neuron_key: 'fixed',
};
const BANDS: ReadonlySet<string> = new Set<LinkKind>([
  'residual_attn',
  'residual_mlp',
  'skipped',
  'norm',
]);

export function isBand(link: FlowLink): boolean {
  return link.kind !== 'norm' && BANDS.has(link.kind);
}

export function familyOf(link: FlowLink): Family {
  if (link.kind === 'bias') return link.target.endsWith('bias') ? 'fixed' : 'stream';
  if (link.kind === 'norm' && link.source.endsWith('.norm')) return 'inner';
  return FAMILY[link.kind] ?? 'stream';
}

export function thickness(link: FlowLink, scales: Scales): number {
  return Math.max(THINNEST, link.width * scales[familyOf(link)]);
}

/** As thick as bands and columns allow, over all sides that are to be compared. */
export function scalesOf(sides: readonly FlowSideData[]): Scales {
  const cap = (family: Family, most: number) => Math.min(most, COLUMN / fullest(sides, family));
  const widest = Math.max(
    Number.MIN_VALUE,
    ...sides.flatMap((side) =>
      side.links.filter((link) => BANDS.has(link.kind)).map((link) => link.width),
    ),
  );
  return {
    stream: cap('stream', LANE / widest),
    inner: cap('inner', PER_UNIT),
    attention: cap('attention', PER_UNIT),
    activation: cap('activation', PER_UNIT),
    fixed: cap('fixed', PER_FIXED),
  };
}

/** The largest sum of a family's widths that leaves one column. */
function fullest(sides: readonly FlowSideData[], family: Family): number {
  let most = Number.MIN_VALUE;
  for (const side of sides) {
    const sums = new Map<number, number>();
    for (const link of side.links) {
      if (BANDS.has(link.kind) || familyOf(link) !== family) continue;
      const column = side.nodeOf.get(link.source)?.column ?? 0;
      const sum = (sums.get(column) ?? 0) + link.width;
      sums.set(column, sum);
      most = Math.max(most, sum);
    }
  }
  return most;
}
