/** What a picture does not say by itself: where nearly all of it goes, and why nothing is in it. */
import { comparable, patternOf, type PanelMode, type Pattern } from '../../draw/attention/pattern';
import { PROMPTS, type Attention } from '../../draw/attention/data';
import { count, percent } from '../../draw/format';
import { setAttention } from './attentionState';

/** From here on the other tokens can hardly be seen. */
const MOST_OF_IT = 0.5;

interface Props {
  attention: Attention;
  mode: PanelMode;
  head: string | null;
  /** The two sides are asked to be compared. */
  compared: boolean;
}

export function AttentionHint({ attention, mode, head, compared }: Props) {
  const pattern = patternOf(attention, mode, head);
  if (mode === 'difference') {
    return pattern.edges.values.length === 0 ? (
      <p className="attention-hint" data-testid="attention-hint">
        {attention.names === PROMPTS
          ? 'The two prompts look alike here.'
          : 'The edits change nothing here: they act later, or on what these heads do not read. What they write is in the lens and in Predictions.'}
      </p>
    ) : null;
  }
  if (compared && !comparable(attention)) {
    const [own, other] = [attention.baseline, attention.edited ?? attention.baseline].map(
      ({ tokens }) => tokens.query.length,
    );
    return (
      <p className="attention-hint" data-testid="attention-hint">
        This prompt has {count(own ?? 0, 'token')}, the other one {count(other ?? 0, 'token')}:
        there is no difference to draw, so they are side by side.
      </p>
    );
  }
  if (attention.meta.special !== 'shown') return null;
  const share = specialShare(pattern);
  return share < MOST_OF_IT ? null : (
    <p className="attention-hint" data-testid="attention-hint">
      {percent(share)} of this goes to special tokens.{' '}
      <button
        type="button"
        className="link"
        data-testid="hide-special"
        onClick={() => setAttention({ special: 'hidden' })}
      >
        Hide them
      </button>
    </p>
  );
}

/** Of all that is shown, by size; 0 where only the pairs that are drawn are known. */
export function specialShare({ values, tokens, keys }: Pattern): number {
  let [all, special] = [0, 0];
  for (const [at, value] of (values ?? []).entries()) {
    const size = Math.abs(value);
    all += size;
    if (tokens.key[at % keys]?.special) special += size;
  }
  return all > 0 ? special / all : 0;
}
