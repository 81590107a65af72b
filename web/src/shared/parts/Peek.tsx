/** The pop-up under the pointer: one instance that moves. */
import { useLayoutEffect, useRef, useState } from 'react';
import { logit, probability } from '../../draw/format';
import { freezePeek, hidePeek, usePeek, type Anchor, type PeekSide } from '../state/peek';
import { Bar, SideMark } from './parts';

const GAP = 8;

export function Peek() {
  const { content, anchor, frozen } = usePeek();
  const box = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ left: 0, top: 0 });
  useLayoutEffect(() => {
    if (content && box.current) setPlace(beside(anchor, box.current.getBoundingClientRect()));
  }, [content, anchor]);
  if (!content) return null;
  return (
    <div
      ref={box}
      className={`peek ${frozen ? 'frozen' : ''}`}
      style={place}
      data-testid="peek"
      aria-hidden="true"
      onMouseLeave={() => {
        freezePeek(false);
        hidePeek();
      }}
    >
      <p className="peek-title">{content.title}</p>
      {content.note ? <p className="peek-note">{content.note}</p> : null}
      <div className="peek-sides">
        {content.sides.map((side) => (
          <PeekColumn key={side.side} side={side} marked={content.sides.length > 1} />
        ))}
      </div>
      <div className="faint peek-foot">
        {frozen && content.action ? (
          <button type="button" className="tiny" tabIndex={-1} onClick={content.action.run}>
            {content.action.label}
          </button>
        ) : null}
        <span>
          {frozen
            ? 'frozen'
            : content.hint
              ? `Shift freezes · ${content.hint}`
              : 'hold Shift to freeze'}
        </span>
      </div>
    </div>
  );
}

function PeekColumn({ side, marked }: { side: PeekSide; marked: boolean }) {
  const logits = side.top.some((entry) => entry.logit !== undefined);
  return (
    <div className={logits ? '' : 'no-logits'}>
      {marked ? (
        <p className="peek-side">
          <SideMark side={side.side} /> {side.side}
        </p>
      ) : null}
      {side.top.length > 0 ? (
        <p className="peek-heads faint">
          <span>probability</span>
          {logits ? <span>logit</span> : null}
        </p>
      ) : null}
      <ol className="peek-top">
        {side.top.map((entry, place) => (
          <li key={place}>
            <bdi className="token">{entry.label}</bdi>
            <Bar share={entry.probability} side={side.side} />
            <span className="number">{probability(entry.probability)}</span>
            {entry.logit === undefined ? null : (
              <span className="number faint">{logit(entry.logit)}</span>
            )}
          </li>
        ))}
      </ol>
      {side.score ? (
        <p className="peek-score">
          <bdi className="token">{side.score.label}</bdi>
          <span className="number">{side.score.rank}</span>
          <span className="number">{side.score.probability}</span>
          {logits ? <span className="number faint">{side.score.logit}</span> : null}
        </p>
      ) : null}
      {side.also?.map(([name, tokens]) => (
        <p key={name} className="peek-also">
          <span className="faint">{name}</span>
          {tokens.map((token, place) => (
            <bdi key={place} className="token">
              {token}
            </bdi>
          ))}
        </p>
      ))}
      <dl className="peek-facts">
        {side.facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Right of the anchor where there is room, else left of it; always inside the window. */
function beside(
  anchor: Anchor,
  box: { width: number; height: number },
): { left: number; top: number } {
  const right = anchor.right + GAP;
  const left =
    right + box.width + GAP <= innerWidth ? right : Math.max(GAP, anchor.left - GAP - box.width);
  return { left, top: Math.max(GAP, Math.min(anchor.top, innerHeight - box.height - GAP)) };
}
