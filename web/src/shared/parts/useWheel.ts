/** The wheel over what runs along the tokens: it zooms all of them, or pans. */
import { useEffect, type RefObject } from 'react';
import { watchWheel } from '../../draw/wheel';
import { hidePeek } from '../state/peek';
import { zoomBy } from '../state/zoom';

export function useWheel(place: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    if (!place.current) return;
    const zoom: typeof zoomBy = (factor, at) => {
      hidePeek();
      zoomBy(factor, at);
    };
    return watchWheel(place.current, zoom, { along: true });
  }, [place]);
}
