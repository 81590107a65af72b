/** The locked token in one line: its strongest pairs, and cutting them. */
import { patternOf, type PanelMode } from '../../draw/attention/pattern';
import type { Attention } from '../../draw/attention/data';
import type { Focus } from '../../draw/attention/shown';
import { valueText } from '../../draw/attention/text';
import { Icon, Token } from '../../shared/parts/parts';
import { useSpec } from '../../shared/state/store';
import { setAttention } from './attentionState';
import { cutPairs, isCut } from './cuts';
import { pairsOf, type Pair } from './pairs';
import type { Head } from './picks';

const LISTED = 6;
/** Cutting more at once says nothing of any of them. */
const MOST_CUT = 64;

interface Props {
  attention: Attention;
  mode: PanelMode;
  /** Shown alone; null: all heads made one. */
  head: string | null;
  heads: readonly Head[];
  focus: Focus;
}

export function AttentionFocus({ attention, mode, head, heads, focus }: Props) {
  const pattern = patternOf(attention, mode, head);
  const token = pattern.tokens[focus.position];
  const { pairs, kept } = pairsOf(pattern, focus, LISTED);
  const drawn = new Set(kept.map((pair) => pair[focus.side === 'query' ? 'key' : 'query']));
  if (!token) return null;
  const asks = focus.side === 'query';
  return (
    <section className="flow-selected" aria-label="Locked" data-testid="attention-focus">
      <span className="flow-selected-title">
        <span className="faint number">{focus.position}</span> <Token token={token} />{' '}
        {asks ? 'looks at' : 'is looked at by'}
      </span>
      {pairs.length === 0 ? <span className="faint">nothing here</span> : null}
      {pairs.map((pair) => {
        const other = asks ? pair.key : pair.query;
        const its = pattern.tokens[other];
        return (
          <span
            key={other}
            className={drawn.has(other) ? 'attention-pair' : 'attention-pair faint'}
          >
            <span className="faint number">{other}</span> {its ? <Token token={its} /> : null}{' '}
            <span className="number">{valueText(pattern, pair.value)}</span>{' '}
            <CutPair heads={heads} pair={pair} />
          </span>
        );
      })}
      <span className="spring" />
      <CutAll heads={heads} pairs={kept} />
      <button
        type="button"
        className="icon-button"
        aria-label="Unlock"
        title="All tokens again (Esc)"
        data-testid="attention-unlock"
        onClick={() => setAttention({ focus: null }, 'replace')}
      >
        <Icon name="close" />
      </button>
    </section>
  );
}

export function CutPair({ heads, pair }: { heads: readonly Head[]; pair: Pair }) {
  const { edits } = useSpec();
  const cut = isCut(edits, heads, pair);
  const where = heads.length === 1 ? 'this head' : `the ${heads.length} heads shown`;
  return (
    <button
      type="button"
      className="tiny"
      aria-pressed={cut}
      aria-label={`${cut ? 'Take back the cut of' : 'Cut'} ${pair.query} < ${pair.key}`}
      data-testid={`cut-${pair.query}<${pair.key}`}
      title={
        cut
          ? 'Take the cut back'
          : `In ${where} token ${pair.query} gets nothing from token ${pair.key}; the rest of its attention stays as it is, it is not renormalised`
      }
      onClick={() => cutPairs(heads, [pair])}
    >
      {cut ? 'cut ✕' : 'cut'}
    </button>
  );
}

function CutAll({ heads, pairs }: { heads: readonly Head[]; pairs: readonly Pair[] }) {
  const { edits } = useSpec();
  if (pairs.length < 2 || pairs.length > MOST_CUT) return null;
  const cut = pairs.every((pair) => isCut(edits, heads, pair));
  return (
    <button
      type="button"
      className="tiny"
      aria-pressed={cut}
      data-testid="cut-all"
      title="All pairs of this token that are drawn; nothing is renormalised"
      onClick={() => cutPairs(heads, pairs)}
    >
      {cut ? `take back all ${pairs.length} cuts` : `cut all ${pairs.length} drawn`}
    </button>
  );
}
