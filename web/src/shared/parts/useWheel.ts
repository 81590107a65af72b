/** The wheel over what runs along the tokens: it zooms all of them, or pans. */
import { useEffect, type RefObject } from 'react';
import { watchWheel } from '../../draw/wheel';
import { zoomBy } from '../state/zoom';

export function useWheel(place: RefObject<HTMLElement | null>): void {
  useEffect(
    () => (place.current ? watchWheel(place.current, zoomBy, { along: true }) : undefined),
    [place],
  );
}
