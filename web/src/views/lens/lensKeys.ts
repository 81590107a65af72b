/** The keys of the lens. */
import type { Key } from '../../draw/keys';
import { GRID_KEYS } from '../../draw/lens/keys';
import { RANGE_KEYS, STRIP_KEYS, WIDTH_KEYS } from '../../shared/parts/stripKeys';
import { ROW_KEYS } from '../../shared/state/rows';

export const LENS_KEYS: readonly Key[] = [
  ...Object.values(GRID_KEYS),
  ...ROW_KEYS,
  ...Object.values(STRIP_KEYS),
  ...Object.values(RANGE_KEYS),
  ...WIDTH_KEYS,
];
