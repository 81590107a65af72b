/** The locked token in one line: its strongest pairs, and cutting them. */
import { modeName, patternOf, type PanelMode } from '../../draw/attention/pattern';
import { PROMPTS, type Attention } from '../../draw/attention/data';
import type { Focus } from '../../draw/attention/shown';
import { valueText } from '../../draw/attention/text';
import { Icon, Token } from '../../shared/parts/parts';
import { change, useSpec } from '../../shared/state/store';
import { setAttention, useAttentionSpec } from './attentionState';
import { isCut, isMasked, toggleCuts, toggleMask } from './cuts';
import { canCut, inBoth, pairsOf, type Pair } from './pairs';
import type { Head } from './picks';
import type { ModelInfo } from '../../shared/api/queries';

const LISTED = 6;

interface Props {
  attention: Attention;
  mode: PanelMode;
  /** Shown alone; null: all heads made one. */
  head: string | null;
  heads: readonly Head[];
  model: ModelInfo;
  focus: Focus;
}

export function AttentionFocus({ attention, mode, head, heads, model, focus }: Props) {
  const pattern = patternOf(attention, mode, head);
  const token = pattern.tokens[focus.side][focus.position];
  const { pairs, kept } = pairsOf(pattern, focus, LISTED);
  const drawn = new Set(kept.map((pair) => pair[focus.side === 'query' ? 'key' : 'query']));
  if (!token) return null;
  const asks = focus.side === 'query';
  return (
    <section className="flow-selected" aria-label="Locked" data-testid="attention-focus">
      <span className="flow-selected-title">
        {attention.names === PROMPTS ? (
          <span className="faint">{modeName(attention, mode)}: </span>
        ) : null}
        <span className="faint number">{focus.position}</span> <Token token={token} />{' '}
        {asks ? 'looks at' : 'is looked at by'}
      </span>
      {pairs.length === 0 ? <span className="faint">nothing here</span> : null}
      {pairs.map((pair) => {
        const other = asks ? pair.key : pair.query;
        const its = pattern.tokens[asks ? 'key' : 'query'][other];
        return (
          <span
            key={other}
            className={drawn.has(other) ? 'attention-pair' : 'attention-pair faint'}
          >
            <span className="faint number">{other}</span> {its ? <Token token={its} /> : null}{' '}
            <span className="number">{valueText(pattern, pair.value)}</span>{' '}
            {attention.names !== PROMPTS ? <WhyPair heads={heads} pair={pair} /> : null}
            {canCut(attention, pair) ? <CutPair heads={heads} model={model} pair={pair} /> : null}
          </span>
        );
      })}
      <span className="spring" />
      {model.kind === 'masked' && model.mask_token !== null ? (
        <MaskButton position={focus.position} mask={model.mask_token} />
      ) : null}
      <CutPairs heads={heads} model={model} pairs={inBoth(attention, kept)} of="this token" />
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

interface CutProps {
  heads: readonly Head[];
  model: ModelInfo;
}

export function CutPair({ heads, model, pair }: CutProps & { pair: Pair }) {
  const { edits } = useSpec();
  const { renormalise } = useAttentionSpec();
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
          : `In ${where} token ${pair.query} gets nothing from token ${pair.key}; ${restWords(renormalise)}`
      }
      onClick={() => toggleCuts(heads, model, [pair], renormalise)}
    >
      {cut ? 'cut ✕' : 'cut'}
    </button>
  );
}

/** Of one head: its score is attributed to what wrote its query and its key. */
function WhyPair({ heads, pair: { query, key } }: { heads: readonly Head[]; pair: Pair }) {
  const { attribution } = useSpec();
  const [head] = heads;
  if (!head || heads.length > 1 || head.part !== 'self') return null;
  const node = `L${head.layer}.H${head.head}@${query}<${key}`;
  return (
    <button
      type="button"
      className="tiny"
      aria-label={`Why ${query} looks at ${key}`}
      data-testid={`why-${query}<${key}`}
      title={`Why ${node} looks there: which nodes made its query and its key`}
      onClick={() =>
        change({
          view: 'attribution',
          attribution: { ...attribution, trace: [`${node}:qk`], grouping: 'nodes', open: null },
        })
      }
    >
      why
    </button>
  );
}

/** A whole set of pairs: those drawn of a token, or all that are drawn. */
export function CutPairs({
  heads,
  model,
  pairs,
  of,
}: CutProps & { pairs: readonly Pair[]; of: string }) {
  const { edits } = useSpec();
  const { renormalise } = useAttentionSpec();
  if (pairs.length < 2) return null;
  const cut = pairs.every((pair) => isCut(edits, heads, pair));
  const number = pairs.length.toLocaleString('en');
  return (
    <button
      type="button"
      className="tiny"
      aria-pressed={cut}
      data-testid={`cut-pairs-of-${of.split(' ')[0]}`}
      title={`All pairs of ${of} that are drawn, in the heads shown; ${restWords(renormalise)}`}
      onClick={() => toggleCuts(heads, model, pairs, renormalise)}
    >
      {cut ? `take back ${number} cuts` : `cut the ${number} pairs drawn`}
    </button>
  );
}

function restWords(renormalise: boolean): string {
  return renormalise
    ? 'the rest of the row is renormalised, as if the pair had never been there'
    : 'the rest of the row stays as it is';
}

/** What becomes of the rest of a row, said beside the cuts. */
export function Renormalise() {
  const { renormalise } = useAttentionSpec();
  return (
    <label
      className="attention-renormalise"
      title="Off: a cut takes its share away. On: the other shares of the row grow to what all of it was."
    >
      <input
        type="checkbox"
        data-testid="renormalise"
        checked={renormalise}
        onChange={() => setAttention({ renormalise: !renormalise }, 'replace')}
      />{' '}
      cuts renormalise
    </label>
  );
}

function MaskButton({ position, mask }: { position: number; mask: string }) {
  const masked = isMasked(useSpec().edits, position);
  return (
    <button
      type="button"
      className="tiny"
      aria-pressed={masked}
      data-testid={`mask-${position}`}
      title={
        masked
          ? 'Its own token again'
          : `The model reads ${mask} in its place; the baseline is the prompt as it is`
      }
      onClick={() => toggleMask(position)}
    >
      {masked ? 'masked ✕' : 'mask'}
    </button>
  );
}
