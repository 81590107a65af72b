/** What is written at each token does to the answer, kind by kind: below the tokens, as wide as they are. */
import { useLayoutEffect, useMemo, useState } from 'react';
import type { Cursor, HeatCells } from '../../draw/heatgrid';
import { LensGrid, type GridEvents } from '../../draw/lens/grid';
import { look, table } from '../../draw/lut';
import { signed } from '../../draw/format';
import { useDrawing } from '../../shared/parts/useDrawing';
import { dropPeek, hidePeek, showPeek } from '../../shared/state/peek';
import { useStore } from '../../shared/state/store';
import { useTheme } from '../../shared/state/theme';
import { zoomBy } from '../../shared/state/zoom';
import { setAttribution, useAttributionSpec } from './attributionState';
import type { Comparison } from './query';
import { sideOf, type Shown } from './rows';

const KINDS = ['embedding', 'heads', 'neurons', 'others', 'looked_at'] as const;
const WORDS: Record<(typeof KINDS)[number], string> = {
  embedding: 'token',
  heads: 'heads',
  neurons: 'neurons',
  others: 'the rest',
  looked_at: 'looked at',
};
const ROW = 20;

interface Props {
  answer: Comparison;
  shown: Shown;
  cellWidth: number;
  /** The objective's. */
  position: number | null;
}

interface Effects {
  names: string[];
  /** Of each row, at each position. */
  values: number[][];
  cells: HeatCells;
}

const stripIn = (box: HTMLElement, events: GridEvents) =>
  new LensGrid(box, events, {
    id: 'effect-cell',
    wheel: 'along',
    name: 'effects',
    label: 'Effects at each token: rows are kinds of node, columns are tokens',
  });

export function EffectStrip({ answer, shown, cellWidth, position }: Props) {
  const scrollX = useStore((state) => state.scrollX);
  const { positions } = useAttributionSpec();
  const theme = useTheme((state) => state.theme);
  const [cursor, setCursor] = useState<Cursor | null>(null);
  const effects = useMemo(() => effectsOf(answer, shown, theme), [answer, shown, theme]);
  const { tokens } = sideOf(answer, shown);
  const sentence = (at: Cursor) =>
    `${effects.names[at.row] ?? ''} at position ${at.column} ${tokens[at.column]?.label ?? ''}: ${signed(effects.values[at.row]?.[at.column] ?? 0)}`;
  const only = positions?.length === 1 ? positions[0] : undefined;
  const here = {
    row: Math.min(cursor?.row ?? 0, effects.names.length - 1),
    column: Math.min(only ?? cursor?.column ?? position ?? 0, tokens.length - 1),
  };
  const [box, grid] = useDrawing(stripIn, {
    scroll: (x: number) => {
      useStore.setState({ scrollX: x });
      hidePeek();
    },
    zoom: zoomBy,
    choose: (at: Cursor, how: 'pointer' | 'key') => {
      setCursor(at);
      if (how === 'pointer') toggle(at.column, positions);
    },
    hover: (at: Cursor | null, place: DOMRect | null) => {
      if (!at || !place) return hidePeek();
      showPeek(place, {
        title: sentence(at),
        note: 'Estimated total effects, summed. Click: only the nodes of this token.',
        sides: [],
      });
    },
    open: () => undefined,
    drag: dropPeek,
    resize: () => undefined,
  });
  useLayoutEffect(() => {
    grid.current?.show({
      rowNames: effects.names,
      cells: effects.cells,
      flipped: true,
      cellWidth,
      rowHeight: ROW,
      scrollX,
      scrollY: 0,
      cursor: here,
      sentence: sentence(here),
    });
  });
  return <div ref={box} className="effect-strip" style={{ height: effects.names.length * ROW }} />;
}

/** Only the nodes of one token, or all again. */
function toggle(position: number, positions: readonly number[] | null): void {
  const only = positions?.length === 1 && positions[0] === position;
  setAttribution({ positions: only ? null : [position] });
}

/** Colours grow with the root, so that one token that is far above all others leaves them theirs. */
export function effectsOf(answer: Comparison, shown: Shown, theme: 'light' | 'dark'): Effects {
  const side = sideOf(answer, shown === 'difference' ? 'baseline' : shown);
  const other = shown === 'difference' ? answer.edited : null;
  const kinds = KINDS.filter((kind) => side.at_positions.some((one) => one[kind]));
  const values = kinds.map((kind) =>
    side.at_positions.map((one, at) => {
      const own = one[kind] ?? 0;
      return other ? (other.at_positions[at]?.[kind] ?? 0) - own : own;
    }),
  );
  const most = Math.max(1e-12, ...values.map((row) => Math.max(...row.map(Math.abs))));
  const colours = table('diverging', theme);
  const flat = values.flat();
  return {
    names: kinds.map((kind) => WORDS[kind]),
    values,
    cells: {
      rows: kinds.length,
      columns: side.at_positions.length,
      colours: Uint32Array.from(flat, (value) =>
        look(colours, 0.5 + (Math.sign(value) * Math.sqrt(Math.abs(value) / most)) / 2),
      ),
      label: (row, column) => signed(values[row]?.[column] ?? 0, 2),
      numeric: true,
      marks: null,
    },
  };
}
