/** What can be left out of the picture of the flow graph, by what a person calls it. */

export const GROUPS = [
  'heads',
  'memory',
  'z_rows',
  'neurons',
  'latents',
  'biases',
  'residual',
  'rest',
] as const;

export type Group = (typeof GROUPS)[number];

/** Node kinds, and link kinds that no node has, of each group. */
export const GROUP_KINDS: Readonly<Record<Group, readonly string[]>> = {
  heads: ['query', 'key', 'value', 'head'],
  memory: ['key', 'value'],
  z_rows: ['z_row'],
  neurons: ['neuron_key', 'neuron'],
  latents: ['latent', 'error'],
  biases: ['attn_bias', 'cross_bias', 'mlp_in_bias', 'mlp_bias', 'latent_bias'],
  residual: ['residual_attn', 'residual_mlp', 'skipped'],
  rest: ['rest'],
};

export function hiddenKinds(hidden: readonly Group[]): ReadonlySet<string> {
  return new Set(hidden.flatMap((group) => GROUP_KINDS[group]));
}

/** The group that a kind of node belongs to; null for the stations, which always stay. */
export function groupOf(kind: string): Group | null {
  if (kind === 'key' || kind === 'value') return 'memory';
  return GROUPS.find((group) => GROUP_KINDS[group].includes(kind)) ?? null;
}
