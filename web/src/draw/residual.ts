/** Names of the rows of the lens: the residual stream at a site of a layer. */

export const RESIDUAL_SITES = ['resid_pre', 'resid_mid', 'resid_mid_cross', 'resid_post'] as const;
export type ResidualSite = (typeof RESIDUAL_SITES)[number];

/** Parallel blocks have no state after attention: the stream with attention's write alone stands for it. */
export const PARALLEL_MID = 'resid_pre+attn_out';

/** A row of the lens: the embedding, or the residual stream at a site of a layer. */
export interface Row {
  layer: number;
  site: ResidualSite | typeof PARALLEL_MID;
}

/** "L5.resid_mid" -> {5, resid_mid}; "embed" is what layer 0 reads. */
export function parseRow(name: string): Row | null {
  if (name === 'embed') return { layer: 0, site: 'resid_pre' };
  const found =
    /^L(\d{1,4})\.(resid_pre(?:\+attn_out)?|resid_mid|resid_mid_cross|resid_post)$/.exec(name);
  return found ? { layer: Number(found[1]), site: found[2] as Row['site'] } : null;
}

/** A row between attention and feed-forward, also behind that to an encoder. */
export function isSubblock(row: Row): boolean {
  return row.site === 'resid_mid' || row.site === 'resid_mid_cross' || row.site === PARALLEL_MID;
}

/** Short label of a lens row: "embed", "L17", "L17 attn". */
export function rowLabel(name: string): string {
  const row = parseRow(name);
  if (!row || name === 'embed') return name;
  if (row.site === 'resid_post') return `L${row.layer}`;
  if (row.site === 'resid_mid_cross') return `L${row.layer} cross`;
  return `L${row.layer} ${isSubblock(row) ? 'attn' : 'pre'}`;
}

/**
 * The node whose write leads to a row: what Enter inspects and x ablates there.
 * `mixer`: what mixes tokens in its layer.
 */
export function writerOf(row: Row, mixer: 'attn' | 'mixer' = 'attn'): string {
  if (row.site === 'resid_mid_cross') return `L${row.layer}.cross`;
  if (isSubblock(row)) return `L${row.layer}.${mixer}`;
  if (row.site === 'resid_post') return `L${row.layer}.mlp`;
  return row.layer === 0 ? 'embed' : `L${row.layer - 1}.mlp`;
}
