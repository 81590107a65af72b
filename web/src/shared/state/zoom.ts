/**
 * Zooming: what is under the pointer, or the chosen token, stays in place.
 *
 * While it lasts the width is in the store alone; the address takes it over when it has come to rest,
 * since browsers slow down a page that writes its address at every frame.
 */
import {
  fittingWidth,
  keepInPlace,
  overviewWidth,
  rowHeight,
  roundWidth,
  stepWidth,
} from '../../draw/zoom';
import { hidePeek } from './peek';
import { change, useStore } from './store';

/** What is drawn now, px and counts; the views keep it current. */
export const port = { cellWidth: 72, columns: 1, rows: 1, width: 1, height: 1 };

const REST_MS = 250;
let timer: ReturnType<typeof setTimeout> | undefined;

export interface Point {
  x: number;
  y: number;
}

function widthNow(): number {
  return useStore.getState().zoom ?? port.cellWidth;
}

/** The chosen token, or the middle where it is out of sight. */
function anchor(): Point {
  const { position, scrollX } = useStore.getState();
  const x = ((position ?? 0) + 0.5) * widthNow() - scrollX;
  return { x: x >= 0 && x <= port.width ? x : port.width / 2, y: port.height / 2 };
}

/** Sets the pixels per token; `at` is measured from the left top of the cells. */
export function zoomTo(width: number, at: Point = anchor()): void {
  const [before, after] = [widthNow(), roundWidth(width)];
  if (before === after) return;
  const { scrollX, scrollY } = useStore.getState();
  const [low, high] = [before, after].map((wide) => rowHeight(wide, port.rows, port.height));
  const most = Math.max(0, port.columns * after - port.width);
  useStore.setState({
    zoom: after,
    scrollX: Math.min(most, keepInPlace(scrollX, at.x, before, after)),
    scrollY: keepInPlace(scrollY, at.y, low ?? 1, high ?? 1),
  });
  clearTimeout(timer);
  timer = setTimeout(rest, REST_MS);
}

/** By the wheel or two fingers: the pop-up no longer lies beside what it is of. */
export function zoomBy(factor: number, at?: Point): void {
  hidePeek();
  zoomTo(widthNow() * factor, at);
}

export function zoomStep(step: 1 | -1): void {
  zoomTo(stepWidth(widthNow(), step));
}

/** From any width to the readable one, and from that to the whole prompt. */
export function zoomFit(): void {
  const readable = fittingWidth(port.columns, port.width);
  const whole = overviewWidth(port.columns, port.width);
  if (useStore.getState().spec.width === null && whole < readable) zoomTo(whole);
  else {
    clearTimeout(timer);
    zoomTo(readable);
    rest(null);
  }
}

function rest(width: number | null = useStore.getState().zoom): void {
  clearTimeout(timer);
  change({ width }, 'replace');
  useStore.setState({ zoom: null });
}
