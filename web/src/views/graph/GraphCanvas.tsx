/** The graph of `draw/`, as the app shows it. */
import { useLayoutEffect, useMemo } from 'react';
import type { GraphData } from '../../draw/graph/data';
import { graphCard } from '../../draw/graph/text';
import { AttributionGraphView, type GraphEvents } from '../../draw/graph/view';
import type { Point } from '../../draw/press';
import { useDrawing } from '../../shared/parts/useDrawing';
import { hidePeek, showPeek } from '../../shared/state/peek';
import { useSpec } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { choose, setGraph, toggleMark, usePassing } from './graphState';

const viewIn = (box: HTMLElement, events: Required<GraphEvents>) =>
  new AttributionGraphView(box, events);

export function GraphCanvas({ data }: { data: GraphData }) {
  const { graph, flipped } = useSpec();
  const theme = useTheme((state) => state.theme);
  const picked = usePassing((state) => state.marked);
  const marked = useMemo(() => new Set(picked), [picked]);
  const { chosen } = graph;
  const [box, view] = useDrawing(viewIn, {
    hover: (id: string | null, at: Point | null) => {
      if (id === null || !at) return hidePeek();
      const hint = data.edgeOf.has(id)
        ? 'click: measure it'
        : 'click: its edges alone · Shift-click: pick it for a group';
      showPeek({ left: at.x, right: at.x + 8, top: at.y, bottom: at.y }, graphCard(data, id, hint));
    },
    choose,
    open: (id: string) =>
      data.edgeOf.has(id) ? setGraph({ measured: true }, 'replace') : undefined,
    mark: toggleMark,
  });
  useLayoutEffect(() => {
    view.current?.show({ data, chosen, marked, flipped, theme });
  }, [data, chosen, marked, flipped, theme, view]);
  return <div ref={box} className="graph-box" />;
}
