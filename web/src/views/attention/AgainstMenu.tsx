/** Another prompt, whose attention is shown beside that of the own one. */
import { useState } from 'react';
import { count } from '../../draw/format';
import { shorten } from '../../draw/tokens';
import { useTokens } from '../../shared/api/queries';
import { PromptField } from '../../shared/parts/PromptField';
import { useSpec } from '../../shared/state/store';
import { askedOf } from '../../shared/text/chat';
import { setAttention } from './attentionState';
import type { Head } from './picks';
import { otherOf } from './request';

const SHOWN = 18;

/** From the word on in which it differs from the own prompt. */
export function againstWords(against: string, prompt: string): string {
  let same = 0;
  while (same < against.length && against[same] === prompt[same]) same++;
  const from = against.lastIndexOf(' ', same - 1) + 1;
  const words = from > 0 ? `…${against.slice(from)}` : against;
  return shorten(words.replaceAll('\n', '↵'), SHOWN);
}

interface Props {
  heads: readonly Head[];
  /** Tokens of the own prompt. */
  length: number;
}

export function AgainstMenu({ heads, length }: Props) {
  const { prompt, attention } = useSpec();
  const { against } = attention;
  const [draft, setDraft] = useState(against === '' ? prompt : against);
  const use = (value: string) => setAttention({ against: value });
  return (
    <>
      <h3>Another prompt, beside this one</h3>
      <PromptField
        testId="against"
        label="The other prompt"
        describedBy="against-note"
        value={draft}
        change={setDraft}
        take={() => use(draft)}
      />
      <p className="cost-actions">
        <button
          type="button"
          className="primary"
          data-testid="against-use"
          disabled={draft === '' || draft === against}
          onClick={() => use(draft)}
        >
          Compare
        </button>
        {against === '' ? null : (
          <button
            type="button"
            data-testid="against-remove"
            onClick={() => {
              use('');
              setDraft(prompt);
            }}
          >
            Remove
          </button>
        )}
      </p>
      <p id="against-note" className="option-note menu-foot">
        <Fit heads={heads} length={length} /> Edits, and a source or second text, are those of both
        prompts. Change one word to see what these heads make of it.
      </p>
    </>
  );
}

/** Whether the two can be taken off each other. */
function Fit({ heads, length }: Props) {
  const spec = useSpec();
  const { against } = spec.attention;
  const other = otherOf(spec, heads);
  const { data } = useTokens(askedOf(other ?? spec), other !== null);
  if (against === '' || !data) return null;
  const n = data.tokens.length;
  return n === length
    ? `Both have ${count(n, 'token')}, so that there is a difference.`
    : `It has ${count(n, 'token')}, this prompt ${length}: they stand side by side, without a difference.`;
}
