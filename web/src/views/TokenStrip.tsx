/** The prompt's tokens, one width each: the x axis of everything below. */
import { useEffect, useRef, type KeyboardEvent, type MouseEvent } from 'react';
import { stepWidth } from '../core/heatgrid';
import { change, useSpec, useStore } from '../state/store';
import { movePosition } from '../state/keyboard';
import type { Experiment } from './experiment';
import { GUTTER } from './layout';

const MARGIN = 4;

export function TokenStrip({
  experiment,
  cellWidth,
}: {
  experiment: Experiment;
  cellWidth: number;
}) {
  const { tokens, position } = experiment;
  const scroller = useRef<HTMLDivElement>(null);
  const scrollX = useStore((state) => state.scrollX);
  const scrollBar = useStore((state) => state.scrollBar);
  const columns = tokens?.length ?? 0;
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    if (Math.abs(box.scrollLeft - scrollX) > 1) box.scrollLeft = scrollX;
    // A shorter prompt or narrower tokens cannot be scrolled as far.
    if (tokens && scrollX - box.scrollLeft > 1) useStore.setState({ scrollX: box.scrollLeft });
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [scrollX, tokens, cellWidth, scrollBar]);
  useEffect(() => {
    const box = scroller.current;
    if (!box || position === null) return;
    const left = position * cellWidth;
    if (left < box.scrollLeft) box.scrollLeft = left;
    else if (left + cellWidth > box.scrollLeft + box.clientWidth)
      box.scrollLeft = left + cellWidth - box.clientWidth;
    // The tokens must be there before one can be scrolled to.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [position, cellWidth, columns]);
  return (
    <div
      className="strip"
      style={{ gridTemplateColumns: `${GUTTER}px 1fr`, paddingRight: scrollBar }}
    >
      <WidthButtons cellWidth={cellWidth} />
      <div
        ref={scroller}
        className="strip-scroll"
        role="listbox"
        tabIndex={0}
        aria-label="Tokens of the prompt: choose a position"
        aria-orientation="horizontal"
        aria-activedescendant={position === null ? undefined : `token-${position}`}
        data-testid="strip"
        onScroll={(event) => useStore.setState({ scrollX: event.currentTarget.scrollLeft })}
        onClick={choose}
        onKeyDown={(event) => onKey(event, columns)}
      >
        <div className="strip-row" style={{ width: columns * cellWidth }}>
          <Tokens experiment={experiment} cellWidth={cellWidth} scrollX={scrollX} />
        </div>
      </div>
    </div>
  );
}

function Tokens({
  experiment,
  cellWidth,
  scrollX,
}: {
  experiment: Experiment;
  cellWidth: number;
  scrollX: number;
}) {
  const { edits } = useSpec();
  const { tokens, position } = experiment;
  if (!tokens) return null;
  const first = Math.max(0, Math.floor(scrollX / cellWidth) - MARGIN);
  const last = Math.min(tokens.length, Math.ceil((scrollX + 4000) / cellWidth) + MARGIN);
  const edited = new Set(
    edits
      .filter((made) => made.enabled)
      .flatMap((made) => made.positions ?? [])
      .map((at) => (at < 0 ? tokens.length + at : at)),
  );
  const shown = new Set([
    ...Array.from({ length: last - first }, (_, index) => first + index),
    ...(position === null ? [] : [position]),
  ]);
  return [...shown].map((at) => {
    const token = tokens[at];
    return token ? (
      <div
        key={at}
        id={`token-${at}`}
        role="option"
        aria-selected={at === position}
        aria-setsize={tokens.length}
        aria-posinset={at + 1}
        aria-label={`${token.label}, position ${at}`}
        className={`strip-token ${token.special ? 'special' : ''} ${edited.has(at) ? 'edited' : ''}`}
        style={{ left: at * cellWidth, width: cellWidth - 1 }}
        title={`${token.label}  position ${at}, id ${token.id}`}
        data-testid={`token-${at}`}
        data-at={at}
      >
        {cellWidth >= 24 ? <span className="strip-index">{at}</span> : null}
        {cellWidth >= 16 ? <bdi className="token">{token.label}</bdi> : null}
      </div>
    ) : null;
  });
}

/** One listener for all tokens: focus stays on the strip, which has thousands of them. */
function choose(event: MouseEvent): void {
  const token = event.target instanceof Element ? event.target.closest('[data-at]') : null;
  if (token) change({ position: Number(token.getAttribute('data-at')) }, 'replace');
}

function onKey(event: KeyboardEvent, columns: number): void {
  const target = { ArrowLeft: -1, ArrowRight: 1, Home: -columns, End: columns }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  movePosition(target);
}

function WidthButtons({ cellWidth }: { cellWidth: number }) {
  const { width } = useSpec();
  return (
    <div className="strip-gutter">
      <button
        type="button"
        className="icon-button"
        aria-label="Narrower tokens"
        title="Narrower tokens"
        onClick={() => change({ width: stepWidth(cellWidth, -1) }, 'replace')}
      >
        −
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Wider tokens"
        title="Wider tokens"
        onClick={() => change({ width: stepWidth(cellWidth, 1) }, 'replace')}
      >
        +
      </button>
      {width === null ? null : (
        <button
          type="button"
          className="icon-button"
          aria-label="Fit tokens"
          title="As wide as fits"
          onClick={() => change({ width: null }, 'replace')}
        >
          ↔
        </button>
      )}
    </div>
  );
}
