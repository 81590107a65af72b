/** The prompt's tokens, one width each: the x axis of everything above or below. */
import {
  useLayoutEffect,
  useRef,
  type KeyboardEvent,
  type MouseEvent,
  type RefObject,
} from 'react';
import { drawnTokens, LABEL_FROM_WIDTH, span, stretches } from '../../draw/strip';
import { change, useSpec, useStore } from '../state/store';
import { pressed } from '../../draw/keys';
import { GUTTER } from '../../draw/zoom';
import { findLike, movePosition } from '../state/position';
import { zoomFit, zoomStep } from '../state/zoom';
import type { Experiment } from '../state/experiment';
import { RANGE_KEYS, STRIP_KEYS, STRIP_STEPS } from './stripKeys';
import { Icon } from './parts';
import { useBrush, type Range } from './useBrush';
import { useWheel } from './useWheel';

interface Props {
  experiment: Experiment;
  cellWidth: number;
  range?: Range;
  /** Under the grid instead of above it. */
  below?: boolean;
}

export function TokenStrip({ experiment, cellWidth, range, below = false }: Props) {
  const { tokens, position } = experiment;
  const scroller = useRef<HTMLDivElement>(null);
  const scrollBar = useStore((state) => state.scrollBar);
  const columns = tokens?.length ?? 0;
  useSharedScroll(scroller, cellWidth, columns, position);
  useWheel(scroller);
  const brush = useBrush(columns, cellWidth, position, range);
  return (
    <div
      className={`strip ${below ? 'below' : ''}`}
      style={{ gridTemplateColumns: `${GUTTER}px 1fr`, paddingRight: scrollBar }}
    >
      <WidthButtons />
      <div
        ref={scroller}
        className="strip-scroll"
        role="listbox"
        tabIndex={0}
        aria-label={
          range
            ? 'Tokens of the prompt: choose a position; Shift and arrows, or a drag, choose a range'
            : 'Tokens of the prompt: choose a position'
        }
        aria-orientation="horizontal"
        aria-activedescendant={position === null ? undefined : `token-${position}`}
        data-testid="strip"
        onScroll={(event) => useStore.setState({ scrollX: event.currentTarget.scrollLeft })}
        onClick={chooseByTool}
        onKeyDown={(event) => onKey(event, range ? brush.extend : null)}
        {...brush.handlers}
      >
        <div className="strip-row" style={{ width: columns * cellWidth }}>
          <Tokens
            experiment={experiment}
            cellWidth={cellWidth}
            shown={brush.marked ? span(...brush.marked) : (range?.shown ?? null)}
          />
        </div>
      </div>
      <LikeButton position={position} cellWidth={cellWidth} />
    </div>
  );
}

/** At the corner of the chosen token, while the pointer is over the strip; `f` does the same. */
function LikeButton({ position, cellWidth }: { position: number | null; cellWidth: number }) {
  const { view } = useSpec();
  const scrollX = useStore((state) => state.scrollX);
  const right = ((position ?? 0) + 1) * cellWidth - scrollX;
  if (position === null || view === 'corpus' || cellWidth < LABEL_FROM_WIDTH || right < 24)
    return null;
  return (
    <button
      type="button"
      className="icon-button strip-like"
      style={{ left: GUTTER + right - 24 }}
      tabIndex={-1}
      aria-label="Find tokens like this one in a corpus"
      title="Find tokens like this one in a corpus (f)"
      data-testid="find-like"
      onClick={findLike}
    >
      <Icon name="similar" />
    </button>
  );
}

/** Follows the scroll of the page, clamps it to what there is, and keeps the chosen token in sight. */
function useSharedScroll(
  scroller: RefObject<HTMLDivElement | null>,
  cellWidth: number,
  columns: number,
  position: number | null,
): void {
  const scrollX = useStore((state) => state.scrollX);
  const scrollBar = useStore((state) => state.scrollBar);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    if (Math.abs(box.scrollLeft - scrollX) > 1) box.scrollLeft = scrollX;
    // A shorter prompt or narrower tokens cannot be scrolled as far.
    if (columns > 0 && scrollX - box.scrollLeft > 1) useStore.setState({ scrollX: box.scrollLeft });
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [scroller, scrollX, columns, cellWidth, scrollBar]);
  const wide = useRef(cellWidth);
  useLayoutEffect(() => {
    wide.current = cellWidth;
  }, [cellWidth]);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || position === null) return;
    const left = position * wide.current;
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (left + wide.current > box.scrollLeft + box.clientWidth)
      box.scrollLeft = left + wide.current - box.clientWidth;
    // The tokens must be there before one can be scrolled to; a zoom keeps its own place.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [scroller, position, columns]);
}

interface TokensProps {
  experiment: Experiment;
  cellWidth: number;
  /** Those that are read; null: all. */
  shown: readonly number[] | null;
}

function Tokens({ experiment, cellWidth, shown }: TokensProps) {
  const { edits } = useSpec();
  const scrollX = useStore((state) => state.scrollX);
  const { tokens, position } = experiment;
  if (!tokens) return null;
  const drawn = drawnTokens(tokens.length, cellWidth, scrollX, innerWidth, position);
  const edited = editedPositions(edits, tokens.length);
  const parts = shown && shown.length < tokens.length ? stretches(shown) : null;
  const unread = (at: number) => parts?.every(([first, last]) => at < first || at > last) ?? false;
  return (
    <>
      {parts?.map(([first, last]) => (
        <div
          key={first}
          className="strip-range"
          style={{ left: first * cellWidth, width: (last - first + 1) * cellWidth - 1 }}
        />
      ))}
      {drawn.tokens.map((at) => {
        const token = tokens[at];
        return token ? (
          <div
            key={at}
            id={`token-${at}`}
            role="option"
            aria-selected={at === position}
            aria-setsize={tokens.length}
            aria-posinset={at + 1}
            aria-label={`${token.label}, position ${at}${unread(at) ? ', not read' : ''}`}
            className={`strip-token ${token.special ? 'special' : ''} ${edited.has(at) ? 'edited' : ''} ${unread(at) ? 'unread' : ''}`}
            style={{
              left: at * cellWidth,
              width: Math.max(2, cellWidth - 1),
              ...(cellWidth < LABEL_FROM_WIDTH ? { padding: 0 } : {}),
            }}
            title={`${token.label}  position ${at}, id ${token.id}`}
            data-testid={`token-${at}`}
            data-at={at}
          >
            {cellWidth >= 24 ? <span className="strip-index">{at}</span> : null}
            {cellWidth >= LABEL_FROM_WIDTH ? <bdi className="token">{token.label}</bdi> : null}
          </div>
        ) : null;
      })}
      {drawn.ticks.map((at) => (
        <span key={`tick-${at}`} className="strip-tick" style={{ left: at * cellWidth }}>
          {at}
        </span>
      ))}
    </>
  );
}

/** Assistive technology clicks without a pointer; those with one are the brush's. */
function chooseByTool(event: MouseEvent): void {
  if (event.detail !== 0) return;
  const token = event.target instanceof Element ? event.target.closest('[data-at]') : null;
  if (token) change({ position: Number(token.getAttribute('data-at')) }, 'replace');
}

function editedPositions(
  edits: ReturnType<typeof useSpec>['edits'],
  length: number,
): ReadonlySet<number> {
  return new Set(
    edits
      .filter((made) => made.enabled)
      .flatMap((made) => made.positions ?? [])
      .map((at) => (at < 0 ? length + at : at)),
  );
}

function onKey(event: KeyboardEvent, extend: ((step: number) => void) | null): void {
  const step = STRIP_STEPS[event.key] ?? 0;
  if (extend && pressed(RANGE_KEYS, event)) extend(step);
  else if (pressed(STRIP_KEYS, event)) movePosition(step);
  else return;
  event.preventDefault();
}

function WidthButtons() {
  const { width } = useSpec();
  return (
    <div className="strip-gutter">
      <button
        type="button"
        className="icon-button"
        aria-label="Narrower tokens"
        title="Narrower tokens (−)"
        onClick={() => zoomStep(-1)}
      >
        −
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Wider tokens"
        title="Wider tokens (+)"
        onClick={() => zoomStep(1)}
      >
        +
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={width === null ? 'Fit the whole prompt' : 'As wide as reads well'}
        title={width === null ? 'The whole prompt at once (0)' : 'As wide as reads well (0)'}
        onClick={zoomFit}
      >
        ↔
      </button>
    </div>
  );
}
