/** The other axis of the lens: what the whole model says follows each token, and whether it does. */
import { useLayoutEffect } from 'react';
import { LensAxis, type AxisEvents } from '../../draw/lens/axis';
import type { Lens, LensSide } from '../../draw/lens/data';
import { useDrawing } from '../../shared/parts/useDrawing';
import { useStore } from '../../shared/state/store';
import { zoomBy } from '../../shared/state/zoom';

interface Props {
  lens: Lens;
  side: LensSide;
  cellWidth: number;
  position: number | null;
}

const EVENTS: AxisEvents = {
  scroll: (x) => useStore.setState({ scrollX: x }),
  zoom: zoomBy,
};

const axisIn = (box: HTMLElement, events: AxisEvents) => new LensAxis(box, 'outcomes', events);

export function LensOutcome({ lens, side, cellWidth, position }: Props) {
  const scrollX = useStore((state) => state.scrollX);
  const scrollBar = useStore((state) => state.scrollBar);
  const [box, axis] = useDrawing(axisIn, EVENTS);
  useLayoutEffect(() => {
    axis.current?.show({
      lens,
      side,
      cellWidth,
      scrollX,
      scrollBar,
      room: innerWidth,
      chosen: position,
    });
  });
  return <div ref={box} />;
}
