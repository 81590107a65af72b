/** Plain data with its tokens written once: `{"$": 3}` stands for the fourth of them. */

export interface Written {
  tokens: unknown[];
  data: unknown;
}

/** What `figures/plain_data.py` wrote, as it was. */
export function readPlain({ tokens, data }: Written): unknown {
  return restored(data, tokens);
}

function restored(value: unknown, tokens: readonly unknown[]): unknown {
  if (Array.isArray(value)) return value.map((one) => restored(one, tokens));
  if (typeof value !== 'object' || value === null) return value;
  if ('$' in value && typeof value.$ === 'number') return tokens[value.$];
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, restored(one, tokens)]),
  );
}
