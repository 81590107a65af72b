/** The keys of the prompt's field; bound by it. */
import type { Key } from '../draw/keys';

export const PROMPT_KEYS = {
  run: { on: ['Enter'], held: 'Ctrl', label: 'Ctrl Enter', says: 'run the prompt' },
} as const satisfies Record<string, Key>;
