/**
 * The tokens of the other prompt, each under the one that it stands beside. One that is clicked stands
 * where the next click is.
 */
import { useState } from 'react';
import { drawnTokens, LABEL_FROM_WIDTH, scrolledTo } from '../../draw/strip';
import { useStore } from '../../shared/state/store';
import { setAttribution, useAttributionSpec } from './attributionState';
import { MOST_PAIRS, paired, readPairs } from './pairing';
import type { Token } from './rows';

interface Props {
  tokens: ReadonlyArray<Token | null>;
  /** Of each position of the other prompt. */
  columns: readonly number[];
  own: readonly Token[];
  cellWidth: number;
}

export function BesideStrip({ tokens, columns, own, cellWidth }: Props) {
  const scrollX = useStore((state) => state.scrollX);
  const { align } = useAttributionSpec();
  const [picked, setPicked] = useState<number | null>(null);
  if (cellWidth < LABEL_FROM_WIDTH) return null;
  const { tokens: drawn } = drawnTokens(tokens.length, cellWidth, scrollX, innerWidth, null);
  const byHand = new Set((readPairs(align) ?? []).map(([here]) => here));
  const click = (column: number) => {
    const at = columns.indexOf(column);
    if (picked === null) return setPicked(at < 0 ? null : at);
    setPicked(null);
    const full = align.length >= MOST_PAIRS;
    if (columns[picked] === column || column >= own.length || full) return;
    setAttribution({ align: paired(align, [column, picked]) });
  };
  return (
    <div
      className={`corrupted-strip ${picked === null ? '' : 'pairing'}`}
      data-testid="beside-strip"
    >
      <span className="faint">{picked === null ? 'beside' : 'stand at …'}</span>
      <div className="corrupted-tokens" role="group" aria-label="Tokens of the prompt beside">
        {drawn.map((at) => {
          const token = tokens[at];
          if (!token && (picked === null || at >= own.length)) return null;
          const differs = token && own[at]?.id !== token.id;
          return (
            <button
              key={at}
              type="button"
              className={`token ${differs ? 'differs' : 'faint'} ${byHand.has(at) ? 'by-hand' : ''}`}
              aria-pressed={picked !== null && columns[picked] === at}
              aria-label={wordsOf(token, own[at], picked !== null)}
              title={titleOf(token, picked !== null, byHand.has(at))}
              style={{ left: at * cellWidth - scrollX, width: cellWidth }}
              onFocus={(event) => bringInSight(at, cellWidth, event.currentTarget.parentElement)}
              onClick={() => click(at)}
            >
              <bdi>{token?.label ?? '·'}</bdi>
            </button>
          );
        })}
      </div>
    </div>
  );
}

/** The focus may go to a token that is drawn beside what is in sight: all strips follow it. */
function bringInSight(column: number, cellWidth: number, strip: HTMLElement | null): void {
  const room = strip?.clientWidth ?? 0;
  const { scrollX } = useStore.getState();
  const moved = scrolledTo(column, cellWidth, scrollX, room);
  if (moved !== scrollX) useStore.setState({ scrollX: moved });
}

function wordsOf(
  token: Token | null | undefined,
  own: Token | undefined,
  pairing: boolean,
): string {
  if (pairing) return own ? `stand beside ${own.label}` : `${token?.label ?? ''}, alone`;
  return `${token?.label ?? ''}${own ? ` beside ${own.label}` : ', alone'}: pair it by hand`;
}

function titleOf(token: Token | null | undefined, pairing: boolean, byHand: boolean): string {
  if (pairing) return 'click: the chosen token stands here';
  const said = token ? `${token.label}  id ${token.id}` : '';
  return `${said}${byHand ? ', paired by hand' : ''}; click: let it stand elsewhere`;
}
