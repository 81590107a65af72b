/** The graph of `draw/`, as the app shows it. */
import { useEffect, useLayoutEffect, useRef } from 'react';
import { FlowGraphView, type FlowEvents } from '../../draw/flow/graph';
import type { FlowDrawing } from '../../draw/flow/scene';
import { useDrawing } from '../../shared/parts/useDrawing';

interface Props {
  drawing: FlowDrawing;
  events: Required<FlowEvents>;
  /** Another value puts moved nodes back and shows everything. */
  reset: number;
}

const LABEL = 'Flow of information: arrow keys go from node to node, Enter opens, x cuts';

const graphIn = (box: HTMLElement, events: Required<FlowEvents>) =>
  new FlowGraphView(box, events, { label: LABEL, wheel: 'always' });

export function FlowCanvas({ drawing, events, reset }: Props) {
  const [box, view] = useDrawing(graphIn, events);
  useLayoutEffect(() => view.current?.show(drawing), [view, drawing]);
  const last = useRef(reset);
  useEffect(() => {
    if (last.current !== reset) view.current?.reset();
    last.current = reset;
  }, [view, reset]);
  return <div ref={box} />;
}
