/** The choices behind the words of the quiet line: measure, what is kept, special tokens, who looks. */
import { useState } from 'react';
import { Option } from '../../shared/parts/Choice';
import { percent } from '../../draw/format';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { ATTENTION, setAttention, useAttentionSpec, type AttentionState } from './attentionState';
import type { Rated } from './request';

const MEASURES: ReadonlyArray<readonly [AttentionState['measure'], string, string]> = [
  ['attention', 'Attention', 'The pattern itself: of each token the shares sum to 1.'],
  [
    'moved',
    'What is moved',
    'Attention times what it fetches: the norm of the value through W_O and what follows. A token that is looked at and says nothing disappears.',
  ],
  [
    'target',
    'Effect on the target',
    'What is moved, read toward one token: blue raises its logit, orange lowers it. Asked at one position unless you say otherwise.',
  ],
];

export function MeasureMenu({ rated }: { rated: Rated | null }) {
  const { measure } = useAttentionSpec();
  return (
    <>
      <h3>What a pair of tokens is measured by</h3>
      {MEASURES.map(([value, words, note]) => (
        <Option
          key={value}
          group="measure"
          value={value}
          checked={measure === value}
          note={note}
          onChange={() => choose(value)}
        >
          {words}
        </Option>
      ))}
      {measure === 'target' ? (
        <p className="option-note menu-foot">
          The target is <bdi className="token">{rated?.label ?? '…'}</bdi>: what is typed as target
          beside the prompt, else what the model finds most likely at the chosen position.
        </p>
      ) : null}
    </>
  );
}

/** What writes the target is asked at one position; everything else of all. */
function choose(measure: AttentionState['measure']): void {
  setAttention({ measure, queries: measure === 'target' ? 'position' : ATTENTION.queries });
}

// ------------------------------------------------------------------ what is kept

export function KeptMenu() {
  const { mass } = useAttentionSpec();
  const [draft, setDraft] = useState<number | null>(null);
  const shown = draft ?? mass;
  const commit = () => {
    if (draft !== null && draft !== mass) setAttention({ mass: draft });
    setDraft(null);
  };
  return (
    <>
      <h3>Which pairs are drawn</h3>
      <label className="attention-slider">
        <span className="field-name">
          Of each token the fewest that hold <output>{shown === 1 ? 'all' : percent(shown)}</output>{' '}
          of its row
        </span>
        <input
          type="range"
          min={0}
          max={100}
          step={1}
          data-testid="mass"
          value={Math.round(shown * 100)}
          onChange={(event) => setDraft(Number(event.target.value) / 100)}
          onPointerUp={commit}
          onKeyUp={commit}
          onBlur={commit}
        />
      </label>
      <p className="option-note">
        The pair that reaches it is among them. Values with signs count by their size. The matrix
        shows every pair.
      </p>
    </>
  );
}

// ------------------------------------------------------------------ special tokens

const SPECIAL: ReadonlyArray<readonly [AttentionState['special'], string, string]> = [
  ['shown', 'Shown', 'As the model has them.'],
  ['hidden', 'Hidden', 'Their rows and columns are 0. The other shares stay as they are.'],
  [
    'renormalised',
    'Hidden, the rest renormalised',
    'The other shares of each token are made to sum to 1.',
  ],
];

export function SpecialMenu() {
  const { special } = useAttentionSpec();
  return (
    <>
      <h3>Special tokens, in the picture</h3>
      {SPECIAL.map(([value, words, note]) => (
        <Option
          key={value}
          group="special"
          value={value}
          checked={special === value}
          note={note}
          onChange={() => setAttention({ special: value })}
        >
          {words}
        </Option>
      ))}
      <p className="option-note menu-foot">
        The model itself runs as it is. To change what it does, cut a head or a pair.
      </p>
    </>
  );
}

// ------------------------------------------------------------------ between two texts

type Between = AttentionState['between'];

export const BETWEEN_WORDS: Readonly<Record<Between, string>> = {
  all: 'all',
  within: 'within each text',
  across: 'across both texts',
};

const BETWEEN: ReadonlyArray<readonly [Between, string, string?]> = [
  ['all', 'All pairs of tokens'],
  ['within', 'Within each text', 'A token and another one of its own text.'],
  ['across', 'Across both texts', 'A token of one text and one of the other.'],
];

export function BetweenMenu() {
  const { between } = useAttentionSpec();
  return (
    <>
      <h3>Of a sentence pair</h3>
      {BETWEEN.map(([value, words, note]) => (
        <Option
          key={value}
          group="between"
          value={value}
          checked={between === value}
          onChange={() => setAttention({ between: value })}
          {...(note === undefined ? {} : { note })}
        >
          {words}
        </Option>
      ))}
      <p className="option-note menu-foot">
        The others are 0. A special token belongs to the text before it.
      </p>
    </>
  );
}

// ------------------------------------------------------------------ who looks

interface QueriesProps {
  position: number | null;
  length: number;
}

export function QueriesMenu({ position, length }: QueriesProps) {
  const { queries } = useAttentionSpec();
  const typed = typeof queries !== 'string';
  return (
    <>
      <h3>Which tokens look</h3>
      <Option
        group="queries"
        value="all"
        checked={queries === 'all'}
        onChange={() => setAttention({ queries: 'all' })}
      >
        Every token{length > 0 ? ` of ${length}` : ''}
      </Option>
      <Option
        group="queries"
        value="position"
        checked={queries === 'position'}
        note="It moves along with the choice in the token strip."
        onChange={() => setAttention({ queries: 'position' })}
      >
        The chosen token, {position ?? '…'}, alone
      </Option>
      <Option
        group="queries"
        value="some"
        checked={typed}
        onChange={() => setAttention({ queries: position === null ? [0] : [position] })}
      >
        These positions
      </Option>
      {typed ? <TypedQueries queries={queries} /> : null}
    </>
  );
}

/** "3-5, 9, -1"; taken over with Enter, or when the field is left. */
function TypedQueries({ queries }: { queries: readonly number[] }) {
  const written = formatPositions(queries);
  const [draft, setDraft] = useState(written);
  const [from, setFrom] = useState(written);
  if (from !== written) {
    setFrom(written);
    setDraft(written);
  }
  const read = parsePositions(draft);
  const problem = typeof read === 'string' ? read : null;
  const commit = () => {
    if (Array.isArray(read) && draft !== written) setAttention({ queries: read });
  };
  return (
    <div className="positions-field flow-typed">
      <input
        className="mono"
        data-testid="queries"
        aria-label="Positions that look, as in 3-5, 9"
        autoComplete="off"
        value={draft}
        aria-invalid={problem !== null}
        aria-describedby="queries-note"
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') commit();
        }}
      />
      <span id="queries-note" className={problem === null ? 'option-note' : 'option-note problem'}>
        {problem ?? '3-5, 9 or -1 for the last'}
      </span>
    </div>
  );
}
