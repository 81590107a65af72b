/** The form for another prompt: of as many tokens as the one above, differing where it matters. */
import { useState } from 'react';
import { useModel } from '../api/queries';
import { useSpec } from '../state/store';
import { has } from '../view';
import { PromptField } from './PromptField';

interface Props {
  /** "": none yet. */
  corrupted: string;
  /** What is offered where there is none. */
  offered?: string;
  use: (corrupted: string) => void;
}

export function OtherPrompt({ corrupted, offered = '', use }: Props) {
  const { prompt } = useSpec();
  const labels = has(useModel().data ?? null, 'labels');
  const [draft, setDraft] = useState(corrupted || offered || prompt);
  const same = draft === '' || draft === prompt;
  const take = () => (same ? undefined : use(draft));
  return (
    <form
      className="other-prompt"
      onSubmit={(event) => {
        event.preventDefault();
        take();
      }}
    >
      <h3>The corrupted prompt</h3>
      <PromptField
        testId="corrupted"
        label="The corrupted prompt"
        describedBy="corrupted-note"
        value={draft}
        change={setDraft}
        take={take}
      />
      <p className="cost-actions">
        <button
          type="submit"
          className="primary"
          data-testid="corrupted-use"
          disabled={same || draft === corrupted}
        >
          Compare
        </button>
        <span id="corrupted-note" className="faint">
          {same
            ? labels
              ? 'Change a word so that the label changes. It must have as many tokens.'
              : 'Change a word so that the answer changes: “Japan” to “France”. It must have as many tokens.'
            : 'The prompt above is the clean one. Both must have as many tokens.'}
        </span>
      </p>
    </form>
  );
}
