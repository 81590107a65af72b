/** The wheel over what runs along the tokens: with Ctrl or ⌘, and so by a pinch of a track pad, it zooms; else it pans. */
import { useEffect, type RefObject } from 'react';
import { hidePeek } from '../state/peek';
import { zoomBy } from '../state/zoom';

const MOST_PER_EVENT = 50;
const PER_PIXEL = 0.008;

/** `indent`: px left of the first cell inside the element. */
export function useWheel(place: RefObject<HTMLElement | null>, indent = 0): void {
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const onWheel = (event: WheelEvent) => {
      if (event.ctrlKey || event.metaKey) zoom(event, element, indent);
      else panAlong(event, element);
    };
    // React's own listener is passive, and could not keep the browser from zooming the page.
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [place, indent]);
}

function zoom(event: WheelEvent, element: HTMLElement, indent: number): void {
  event.preventDefault();
  hidePeek();
  const box = element.getBoundingClientRect();
  const turned = Math.max(-MOST_PER_EVENT, Math.min(MOST_PER_EVENT, event.deltaY));
  zoomBy(Math.exp(-turned * PER_PIXEL), {
    x: Math.max(0, event.clientX - box.left - indent),
    y: event.clientY - box.top,
  });
}

/** Where there is nothing to scroll up or down, a plain wheel goes along the tokens. */
function panAlong(event: WheelEvent, element: HTMLElement): void {
  if (event.shiftKey || event.deltaX !== 0) return;
  if (element.scrollHeight > element.clientHeight + 1) return;
  if (element.scrollWidth <= element.clientWidth) return;
  event.preventDefault();
  element.scrollLeft += event.deltaY;
}
