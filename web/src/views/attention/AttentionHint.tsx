/** What a picture does not say by itself: where nearly all of it goes, and why nothing is in it. */
import { patternOf, type PanelMode, type Pattern } from '../../draw/attention/pattern';
import type { Attention } from '../../draw/attention/data';
import { percent } from '../../draw/format';
import { setAttention } from './attentionState';

/** From here on the other tokens can hardly be seen. */
const MOST_OF_IT = 0.5;

interface Props {
  attention: Attention;
  mode: PanelMode;
  head: string | null;
}

export function AttentionHint({ attention, mode, head }: Props) {
  const pattern = patternOf(attention, mode, head);
  if (mode === 'difference') {
    return pattern.edges.values.length === 0 ? (
      <p className="attention-hint" data-testid="attention-hint">
        The edits change nothing here: they act later, or on what these heads do not read. What they
        write is in the lens and in Predictions.
      </p>
    ) : null;
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
