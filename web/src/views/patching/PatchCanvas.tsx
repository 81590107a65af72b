/** The grid of `draw/`, its columns under the tokens of the prompt, or heads beside each other. */
import { useLayoutEffect, useMemo, useState } from 'react';
import type { Cursor } from '../../draw/heatgrid';
import { LensGrid, type GridEvents } from '../../draw/lens/grid';
import { drawnTokens, LABEL_FROM_WIDTH } from '../../draw/strip';
import { GUTTER, ROW_HEIGHT } from '../../draw/zoom';
import { useDrawing } from '../../shared/parts/useDrawing';
import { dropPeek, hidePeek, showPeek } from '../../shared/state/peek';
import { useSpec, useStore } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { zoomBy } from '../../shared/state/zoom';
import { byHead, cellsOf, differing, sentence } from './cells';
import { setPatching, usePatchingSpec } from './patchingState';
import type { Grid } from './query';

/** Of a head, px. */
const HEAD_WIDTH = 56;

const gridIn = (box: HTMLElement, events: GridEvents) =>
  new LensGrid(box, events, {
    name: 'patch',
    label: 'Patching grid: rows are layers, columns are tokens or heads',
    wheel: 'along',
  });

interface Props {
  grid: Grid;
  cellWidth: number;
  /** What a cell says, in place of the words of one grid. */
  say?: (row: number, column: number) => string;
}

export function PatchCanvas({ grid, cellWidth, say }: Props) {
  const { flipped } = useSpec();
  const { show, cell } = usePatchingSpec();
  const theme = useTheme((state) => state.theme);
  const shared = useStore((state) => state.scrollX);
  const [scrollY, setScrollY] = useState(0);
  const [headScroll, setHeadScroll] = useState(0);
  const heads = byHead(grid.site);
  const last = grid.layers.length - 1;
  const source = (row: number) => (flipped ? row : last - row);
  const cells = useMemo(() => cellsOf(grid, show, theme, flipped), [grid, show, theme, flipped]);
  const chosen = chosenCell(grid, cell);
  const cursor = chosen ?? { row: last, column: grid.columns_at.length - 1 };
  const said = (row: number, column: number) =>
    say ? say(row, column) : sentence(grid, row, column);
  const at = (here: Cursor) => said(source(here.row), here.column);
  const [box, drawing] = useDrawing(gridIn, {
    scroll: (x: number, y: number) => {
      if (heads) setHeadScroll(x);
      else useStore.setState({ scrollX: x });
      setScrollY(y);
      hidePeek();
    },
    zoom: zoomBy,
    choose: (here: Cursor) => {
      const layer = grid.layers[source(here.row)];
      const column = grid.columns_at[here.column];
      if (layer !== undefined && column !== undefined)
        setPatching({ cell: [layer, column] }, 'replace');
    },
    hover: (here: Cursor | null, place: DOMRect | null) => {
      if (!here || !place) return hidePeek();
      showPeek(place, { title: at(here), note: 'Click for what can be done with it.', sides: [] });
    },
    open: () => undefined,
    drag: dropPeek,
    resize: ({ scrollBar }: { scrollBar: number }) => useStore.setState({ scrollBar }),
  });
  useLayoutEffect(() => {
    const shownAt = { row: source(cursor.row), column: cursor.column };
    drawing.current?.show({
      rowNames: grid.layers.map((layer) => `L${layer}`),
      cells,
      flipped,
      cellWidth: heads ? HEAD_WIDTH : cellWidth,
      rowHeight: ROW_HEIGHT,
      scrollX: heads ? headScroll : shared,
      scrollY,
      cursor: shownAt,
      sentence: at(shownAt),
    });
  });
  return (
    <>
      {heads ? <HeadAxis grid={grid} scroll={headScroll} /> : null}
      <div ref={box} />
    </>
  );
}

/** The chosen cell, counted from the first layer of the grid. */
export function chosenCell(grid: Grid, cell: readonly [number, number] | null): Cursor | null {
  if (!cell) return null;
  const [row, column] = [grid.layers.indexOf(cell[0]), grid.columns_at.indexOf(cell[1])];
  return row >= 0 && column >= 0 ? { row, column } : null;
}

function HeadAxis({ grid, scroll }: { grid: Grid; scroll: number }) {
  return (
    <div className="patching-axis" style={{ paddingLeft: GUTTER }} aria-hidden="true">
      <div style={{ transform: `translateX(${-scroll}px)` }}>
        {grid.columns_at.map((head) => (
          <span key={head} style={{ width: HEAD_WIDTH }}>
            H{head}
          </span>
        ))}
      </div>
    </div>
  );
}

/** The tokens of the corrupted prompt under those of the clean one; those that differ stand out. */
export function CorruptedStrip({ grid, cellWidth }: { grid: Grid; cellWidth: number }) {
  const scrollX = useStore((state) => state.scrollX);
  const others = useMemo(() => differing(grid), [grid]);
  if (cellWidth < LABEL_FROM_WIDTH) return null;
  const { tokens } = drawnTokens(
    grid.corrupted_tokens.length,
    cellWidth,
    scrollX,
    innerWidth,
    null,
  );
  return (
    <div className="corrupted-strip" data-testid="corrupted-strip">
      <span className="faint">corrupted</span>
      <div className="corrupted-tokens">
        {tokens.map((at) => {
          const token = grid.corrupted_tokens[at];
          return token ? (
            <bdi
              key={at}
              className={`token ${others.has(at) ? 'differs' : 'faint'}`}
              title={`${token.label}  position ${at}, id ${token.id}${others.has(at) ? ': differs' : ''}`}
              style={{ left: at * cellWidth - scrollX, width: cellWidth }}
            >
              {token.label}
            </bdi>
          ) : null;
        })}
      </div>
    </div>
  );
}
