/** A lens of two rows that reads two of three positions, as the server writes it. */
import type { components } from '../../api.gen';
import { write, type Part } from '../write';

type LensResult = components['schemas']['LensResult'];

const NONE = 2 ** 32 - 1;

export function token(id: number, text: string) {
  return { id, text, label: text.replace(' ', '␣'), special: false };
}

export function example(edited: boolean, change: Partial<LensResult> = {}): ArrayBuffer {
  const side: LensResult = {
    rows: ['embed', 'L0.resid_post'],
    positions: [1, 2],
    tokens: [token(5, 'A'), token(2, ' y')],
    n_prompt: 3,
    decoder: 'final_norm',
    follow: 'final',
    vocabulary: [token(1, ' x'), token(2, ' y')],
    target: null,
    objective: null,
    prompt_ids: [1, 5, 2],
    source_tokens: [],
    kl_floor: null,
    provenance: {},
    ...change,
  };
  const grid = (values: number[], dtype: Part['dtype'] = 'F32'): Part => ({
    dtype,
    shape: [2, 2],
    values,
  });
  const arrays = (first: number[]): Record<string, Part> => ({
    top_ids: { dtype: 'U32', shape: [2, 2, 1], values: first },
    top_logits: { dtype: 'F32', shape: [2, 2, 1], values: [1, 2, 3, 4] },
    top_probabilities: { dtype: 'F32', shape: [2, 2, 1], values: [0.25, 0.5, 0.75, 1] },
    logit: grid([-2, 1, 3, 4]),
    probability: grid([0, 0.5, 0.75, 1]),
    rank: grid([100, 2, 1, 1], 'U32'),
    kl: grid([4, 2, 0, 0]),
    entropy: grid([3, 2, 1, 0]),
    target_ids: { dtype: 'U32', shape: [2], values: [1, 2] },
    next_ids: { dtype: 'U32', shape: [2], values: [2, NONE] },
  });
  const named = (name: string, parts: Record<string, Part>) =>
    Object.fromEntries(Object.entries(parts).map(([key, part]) => [`${name}.${key}`, part]));
  const tensors = {
    ...named('baseline', arrays([1, 2, 2, 2])),
    ...(edited ? { ...named('edited', arrays([1, 1, 2, 2])), kl_between: grid([0, 3, 0, 0]) } : {}),
  };
  return write(tensors, { lens: JSON.stringify({ baseline: side, edited: edited ? side : null }) });
}

/** As `example`, but nothing is scored at the last position. */
export function withoutTarget(): ArrayBuffer {
  const buffer = example(false, { follow: 'next' });
  const view = new DataView(buffer);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(
    new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)),
  ) as Record<string, { data_offsets: [number, number] }>;
  const put = (name: string, at: number, set: (offset: number) => void) =>
    set(start + (header[`baseline.${name}`]?.data_offsets[0] ?? 0) + 4 * at);
  put('target_ids', 1, (offset) => view.setUint32(offset, NONE, true));
  for (const at of [1, 3]) {
    put('probability', at, (offset) => view.setFloat32(offset, Number.NaN, true));
    put('logit', at, (offset) => view.setFloat32(offset, Number.NaN, true));
    put('rank', at, (offset) => view.setUint32(offset, 0, true));
  }
  return buffer;
}
