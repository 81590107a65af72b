/** A token in its sentence, on one line, the match in the middle. */
import { shownOf } from './listing';
import type { CorpusState } from './corpusState';
import type { CorpusToken, Hit, Sentence } from './query';
import { around, isFromRight, LINE, saysOf, sourceOf, stretchesOf, type Stretch } from './sentence';

interface Props {
  hit: Hit;
  place: number;
  count: number;
  chosen: boolean;
  /** What columns show of their tokens. */
  column: CorpusState['column'];
  sentence: Sentence | null;
  onChoose: () => void;
}

export function HitLine({ hit, place, count, chosen, column, sentence, onChoose }: Props) {
  const stretches = stretchesOf(hit.text, hit, sentence);
  const [before, match, after] = around(stretches);
  const most = mostOf(stretches);
  const dir = isFromRight(hit.text) ? 'rtl' : 'ltr';
  // of what is read from the right, what is before the match stands to the right of it
  const [left, right] = dir === 'rtl' ? [after, before] : [before, after];
  return (
    // The listbox has the keyboard; a line is chosen with the pointer.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      id={`corpus-hit-${place}`}
      role="option"
      tabIndex={-1}
      aria-selected={chosen}
      aria-setsize={count}
      aria-posinset={place + 1}
      className={`corpus-line ${chosen ? 'chosen' : ''}`}
      style={{ top: place * LINE }}
      data-testid={`corpus-hit-${place}`}
      onClick={onChoose}
    >
      <span className="number">{hit.score === null ? '' : hit.score.toFixed(3)}</span>
      <span className="corpus-before">
        <span dir={dir}>
          <Text stretches={left} most={most} />
        </span>
      </span>
      <span className="corpus-match" dir={dir}>
        <Text stretches={match} most={most} />
      </span>
      <span className="corpus-after">
        <bdi dir={dir}>
          <Text stretches={right} most={most} />
        </bdi>
      </span>
      {hit.around.map((token, at) => (
        <span key={at} className="corpus-around" title={token ? tokenSays(token) : undefined}>
          {token ? <bdi>{shownOf(hit, token, column)}</bdi> : ''}
        </span>
      ))}
      <span className="corpus-label faint">{hit.match.pos ?? ''}</span>
      <span className="corpus-file faint" title={sourceOf(hit)}>
        {hit.file}
      </span>
    </div>
  );
}

/** What the strongest colour stands for. */
export function mostOf(stretches: readonly Stretch[]): number {
  return Math.max(...stretches.map(({ attention }) => attention ?? 0), 1e-9);
}

/** Share of the colour that the most attention has: text on it stays readable. */
const DEEPEST = 45;

export function Text({ stretches, most }: { stretches: readonly Stretch[]; most: number }) {
  return stretches.map((one, at) =>
    one.token ? (
      <span
        key={at}
        className={`${one.match ? 'match' : ''} ${one.next ? 'next' : ''}`}
        title={titleOf(one)}
        style={
          one.attention === null
            ? undefined
            : {
                backgroundColor: `color-mix(in srgb, var(--positive-bar) ${Math.round((one.attention / most) * DEEPEST)}%, transparent)`,
              }
        }
      >
        {one.text}
      </span>
    ) : (
      <span key={at}>{one.text}</span>
    ),
  );
}

function titleOf(one: Stretch): string {
  if (!one.token) return '';
  const attention = one.attention === null ? '' : `attention ${one.attention.toFixed(3)}`;
  return [tokenSays(one.token), attention].filter(Boolean).join('\n');
}

function tokenSays(token: CorpusToken): string {
  return [token.token.label, saysOf(token)].filter(Boolean).join('\n');
}
