/** What colours and widths of the flow graph mean; a click on a colour hides what has it. */
import { useLayoutEffect } from 'react';
import type { Flow as Graph } from '../../draw/flow/data';
import { FlowLegend as Drawn } from '../../draw/flow/legend';
import type { FlowDrawing } from '../../draw/flow/scene';
import { useDrawing } from '../../shared/parts/useDrawing';
import { toggleGroup, useFlowSpec } from './flowing';

interface Props {
  graph: Graph;
  drawing: FlowDrawing;
}

const EVENTS = { toggle: toggleGroup };

const legendIn = (box: HTMLElement, { toggle }: typeof EVENTS) => new Drawn(box, toggle);

export function FlowLegend({ graph, drawing }: Props) {
  const { hidden } = useFlowSpec();
  const [box, legend] = useDrawing(legendIn, EVENTS);
  useLayoutEffect(
    () => legend.current?.show(graph, drawing, hidden),
    [legend, graph, drawing, hidden],
  );
  return <div ref={box} />;
}
