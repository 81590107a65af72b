/** The tokens of the other prompt, each under the one that it stands beside. */
import { drawnTokens, LABEL_FROM_WIDTH } from '../../draw/strip';
import { useStore } from '../../shared/state/store';
import type { Token } from './rows';

interface Props {
  tokens: ReadonlyArray<Token | null>;
  own: readonly Token[];
  cellWidth: number;
}

export function BesideStrip({ tokens, own, cellWidth }: Props) {
  const scrollX = useStore((state) => state.scrollX);
  if (cellWidth < LABEL_FROM_WIDTH) return null;
  const { tokens: drawn } = drawnTokens(tokens.length, cellWidth, scrollX, innerWidth, null);
  return (
    <div className="corrupted-strip" data-testid="beside-strip">
      <span className="faint">beside</span>
      <div className="corrupted-tokens">
        {drawn.map((at) => {
          const token = tokens[at];
          return token ? (
            <bdi
              key={at}
              className={`token ${own[at]?.id === token.id ? 'faint' : 'differs'}`}
              title={`${token.label}  id ${token.id}`}
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
