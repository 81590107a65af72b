/** The keys of the token strip. */
import type { Key } from '../../draw/keys';
import * as lens from '../../draw/lens/keys';
import { zoomFit, zoomStep } from '../state/zoom';

export const STRIP_STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  Home: -Infinity,
  End: Infinity,
};

/** Where a view reads a range of positions; bound by the strip. */
export const RANGE_KEYS = {
  extend: {
    on: Object.keys(STRIP_STEPS),
    held: 'Shift',
    label: 'Shift ← →',
    says: 'in the token strip: read a range of positions only',
  },
} as const satisfies Record<string, Key>;

/** Bound by the strip. */
export const STRIP_KEYS = {
  move: {
    on: Object.keys(STRIP_STEPS),
    label: '← →',
    says: 'in the token strip: previous and next token; Home and End, the first and the last',
  },
} as const satisfies Record<string, Key>;

/** Bound on the page of every view that has a strip. */
export const WIDTH_KEYS: readonly Key[] = [
  {
    ...lens.WIDTH_KEYS.step,
    act: ({ key }) => {
      zoomStep(key === '-' ? -1 : 1);
      return true;
    },
  },
  {
    ...lens.WIDTH_KEYS.fit,
    act: () => {
      zoomFit();
      return true;
    },
  },
];
