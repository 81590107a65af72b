/** The wheel over what runs along the tokens. */
import { listen, within, type Point } from './press';

const MOST_PER_EVENT = 50;
const PER_PIXEL = 0.008;

export interface WheelOptions {
  /** px left of the first cell. */
  indent?: number;
  /** A plain wheel goes along the tokens where there is nothing to scroll up or down; else it is the page's. */
  along?: boolean;
}

/** With Ctrl or ⌘, and so by a pinch of a track pad, it zooms around a point of the cells. */
export function watchWheel(
  element: HTMLElement,
  zoom: (factor: number, at: Point) => void,
  { indent = 0, along = false }: WheelOptions = {},
): () => void {
  const onWheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) {
      if (along) panAlong(event, element);
      return;
    }
    event.preventDefault();
    const turned = Math.max(-MOST_PER_EVENT, Math.min(MOST_PER_EVENT, event.deltaY));
    const at = within(element, event);
    zoom(Math.exp(-turned * PER_PIXEL), { x: Math.max(0, at.x - indent), y: at.y });
  };
  // Else the browser would zoom the page.
  return listen(element, { wheel: onWheel }, { passive: false });
}

function panAlong(event: WheelEvent, element: HTMLElement): void {
  if (event.shiftKey || event.deltaX !== 0) return;
  if (element.scrollHeight > element.clientHeight + 1) return;
  if (element.scrollWidth <= element.clientWidth) return;
  event.preventDefault();
  element.scrollLeft += event.deltaY;
}
