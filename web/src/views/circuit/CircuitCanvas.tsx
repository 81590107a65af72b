/** The circuit of `draw/`, as the app shows it. */
import { useLayoutEffect } from 'react';
import type { CircuitData } from '../../draw/circuit/data';
import { isEdge } from '../../draw/circuit/data';
import { circuitCard } from '../../draw/circuit/text';
import { CircuitView, type CircuitEvents } from '../../draw/circuit/view';
import type { Point } from '../../draw/press';
import { useDrawing } from '../../shared/parts/useDrawing';
import { hidePeek, showPeek } from '../../shared/state/peek';
import { useTheme } from '../../shared/state/theme';
import { setCircuit, useCircuitSpec } from './circuitState';
import { takeOut } from './hand';

const viewIn = (box: HTMLElement, events: Required<CircuitEvents>) => new CircuitView(box, events);

export function CircuitCanvas({ data }: { data: CircuitData }) {
  const { chosen, measured } = useCircuitSpec();
  const theme = useTheme((state) => state.theme);
  const [box, view] = useDrawing(viewIn, {
    hover: (id: string | null, at: Point | null) => {
      if (id === null || !at) return hidePeek();
      const hint = isEdge(id) ? 'click: measure it, take it out' : 'click: its edges alone';
      showPeek(
        { left: at.x, right: at.x + 8, top: at.y, bottom: at.y },
        circuitCard(data, id, hint),
      );
    },
    choose: (id: string | null) => choose(id, chosen, measured),
    open: (id: string) => (isEdge(id) ? setCircuit({ measured: true }, 'replace') : undefined),
    out: takeOut,
  });
  useLayoutEffect(() => {
    view.current?.show({ data, chosen, theme });
  }, [data, chosen, theme, view]);
  return <div ref={box} className="circuit-box" />;
}

/** Another edge is not measured until that is asked for. */
function choose(id: string | null, before: string | null, measured: boolean): void {
  const same = id === before;
  setCircuit({ chosen: id, measured: same && measured }, 'replace');
}
