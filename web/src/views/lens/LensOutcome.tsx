/** The other axis of the lens: what the whole model says follows each token, and whether it does. */
import { useLayoutEffect, useRef } from 'react';
import { outcome, type Lens, type LensSide } from '../../draw/lens/data';
import { drawnTokens, LABEL_FROM_WIDTH } from '../../draw/strip';
import { useStore } from '../../shared/state/store';
import { GUTTER } from '../../shared/parts/layout';
import { useWheel } from '../../shared/parts/useWheel';

interface Props {
  lens: Lens;
  side: LensSide;
  cellWidth: number;
  position: number | null;
  below: boolean;
}

export function LensOutcome({ lens, side, cellWidth, position, below }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const scrollX = useStore((state) => state.scrollX);
  const scrollBar = useStore((state) => state.scrollBar);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box && Math.abs(box.scrollLeft - scrollX) > 1) box.scrollLeft = scrollX;
    // What can be scrolled to depends on the sizes, too.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [scrollX, cellWidth, scrollBar, lens]);
  useWheel(scroller);
  const { tokens } = drawnTokens(lens.length, cellWidth, scrollX, innerWidth, null);
  return (
    <div
      className={`outcome ${below ? 'below' : ''}`}
      style={{ gridTemplateColumns: `${GUTTER}px 1fr`, paddingRight: scrollBar }}
      data-testid="outcome"
    >
      <span
        className="outcome-head faint"
        title="What the whole model finds most likely to follow each token; ✓ where the text does go on like that"
      >
        final top
      </span>
      {/* The strip and the grid carry the scroll bars, and the keyboard. */}
      <div
        ref={scroller}
        className="outcome-scroll"
        onScroll={(event) => useStore.setState({ scrollX: event.currentTarget.scrollLeft })}
      >
        <ul className="outcome-row" style={{ width: lens.length * cellWidth }}>
          {cellWidth >= LABEL_FROM_WIDTH
            ? tokens.map((at) => (
                <Entry
                  key={at}
                  lens={lens}
                  side={side}
                  at={at}
                  cellWidth={cellWidth}
                  chosen={at === position}
                />
              ))
            : null}
        </ul>
      </div>
    </div>
  );
}

interface EntryProps {
  lens: Lens;
  side: LensSide;
  at: number;
  cellWidth: number;
  chosen: boolean;
}

function Entry({ lens, side, at, cellWidth, chosen }: EntryProps) {
  const column = lens.columnOf[at] ?? -1;
  if (column < 0) return null;
  const { token, right, changed } = outcome(lens, side, column);
  const says = { true: 'as the text goes on', false: 'the text goes on otherwise' };
  return (
    <li
      className={`outcome-token ${chosen ? 'chosen' : ''} ${right ? 'right' : ''} ${changed ? 'changed' : ''}`}
      style={{ left: at * cellWidth, width: cellWidth - 1 }}
      title={`${token.label}  after position ${at}${right === null ? '' : `: ${says[`${right}`]}`}`}
      data-testid={`outcome-${at}`}
    >
      {right ? <span className="right-mark">✓</span> : null}
      <bdi className="token">{token.label}</bdi>
    </li>
  );
}
