/** The grid of `draw/`, with what the page knows: the chosen cell, the shared scroll and width, the pop-up. */
import { useEffect, useLayoutEffect, useMemo } from 'react';
import type { Cursor } from '../../draw/heatgrid';
import { lensCard } from '../../draw/lens/card';
import { displayCells, flipper } from '../../draw/lens/cells';
import { shownSide, type Lens } from '../../draw/lens/data';
import { LensGrid, type GridEvents } from '../../draw/lens/grid';
import type { Painted } from '../../draw/lens/paint';
import { cellSentence } from '../../draw/lens/text';
import { isSubblock, parseRow } from '../../draw/residual';
import { rowHeight } from '../../draw/zoom';
import { useDrawing } from '../../shared/parts/useDrawing';
import type { Experiment } from '../../shared/state/experiment';
import { dropPeek, hidePeek, showPeek } from '../../shared/state/peek';
import { inspect } from '../../shared/state/rows';
import { change, useSpec, useStore } from '../../shared/state/store';
import { port, zoomBy } from '../../shared/state/zoom';
import type { Spec } from '../../shared/text/url';

interface Props {
  lens: Lens;
  painted: Painted;
  mode: Spec['mode'];
  experiment: Experiment;
  cellWidth: number;
  /** Height that the grid may take, px. */
  room: number;
}

const gridIn = (box: HTMLElement, events: GridEvents) =>
  new LensGrid(box, events, { wheel: 'along' });

export function LensCanvas({ lens, painted, mode, experiment, cellWidth, room }: Props) {
  const { flipped, row } = useSpec();
  const scrollX = useStore((state) => state.scrollX);
  const scrollY = useStore((state) => state.scrollY);
  const source = flipper(lens, flipped);
  const cells = useMemo(
    () => displayCells(lens, painted, mode === 'difference', flipped),
    [lens, painted, mode, flipped],
  );
  const cursor: Cursor = {
    row: source(chosenRow(lens, row)),
    column: Math.min(experiment.position ?? 0, lens.length - 1),
  };
  const [box, grid] = useDrawing(gridIn, eventsOf(lens, mode, source));
  useLayoutEffect(() => {
    Object.assign(port, { rows: lens.rows, height: room });
  }, [lens.rows, room]);
  useLayoutEffect(() => {
    grid.current?.show({
      rowNames: lens.meta.rows,
      cells,
      flipped,
      cellWidth,
      rowHeight: rowHeight(cellWidth, lens.rows, room),
      scrollX,
      scrollY,
      cursor,
      sentence: cellSentence(lens, shownSide(lens, mode).values, source(cursor.row), cursor.column),
    });
  });
  useEffect(() => () => useStore.setState({ scrollBar: 0 }), []);
  return <div ref={box} />;
}

/** `source`: the row of the lens that is displayed in a row of the grid. */
function eventsOf(lens: Lens, mode: Spec['mode'], source: (row: number) => number): GridEvents {
  return {
    scroll: (x, y) => {
      useStore.setState({ scrollX: x, scrollY: y });
      hidePeek();
    },
    zoom: zoomBy,
    choose: (at) => {
      const row = lens.meta.rows[source(at.row)];
      change({ position: at.column, ...(row === undefined ? {} : { row }) }, 'replace');
    },
    hover: (at, place) => {
      const column = at ? (lens.columnOf[at.column] ?? -1) : -1;
      if (!at || !place || column < 0) hidePeek();
      else showPeek(place, lensCard(lens, mode, source(at.row), column));
    },
    open: () => void inspect(),
    drag: dropPeek,
    resize: ({ scrollBar }) => useStore.setState({ scrollBar }),
  };
}

/** Index of the chosen row; sites that the grid has no row of stand for the nearest that it has. */
function chosenRow(lens: Lens, name: string | null): number {
  const { rows } = lens.meta;
  const last = rows.length - 1;
  if (name === null) return last;
  const found = rows.indexOf(name);
  const wanted = parseRow(name);
  if (found >= 0 || !wanted) return found >= 0 ? found : last;
  const depth = (row: string) => {
    const place = parseRow(row);
    if (!place || row === 'embed' || place.site === 'resid_pre') return 2 * (place?.layer ?? 0) - 1;
    return 2 * place.layer + (isSubblock(place) ? 0 : 1);
  };
  const near = rows.findIndex((row) => depth(row) >= depth(name));
  return near >= 0 ? near : last;
}
