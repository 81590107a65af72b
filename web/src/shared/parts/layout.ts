/** Sizes that views share, px. */

/** Width of the row labels left of everything that runs along the tokens. */
export const GUTTER = 72;
export { ROW_HEIGHT } from '../../draw/zoom';
