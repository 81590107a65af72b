/** The prompt and the two tokens it is read for. Nothing runs until Run. */
import { GENERATION } from '../shared/text/url';
import { Popover } from 'radix-ui';
import { useDeferredValue, useEffect, useState } from 'react';
import { problemAt } from '../shared/api/client';
import { queryClient, useTokens, type ModelInfo } from '../shared/api/queries';
import { promptOf, type Prompted } from '../shared/text/chat';
import { count } from '../draw/format';
import { showSpaces } from '../draw/tokens';
import { change, useSpec, useStore } from '../shared/state/store';
import { useProblems } from '../shared/state/problems';
import { pressed } from '../draw/keys';
import { PROMPT_KEYS } from './promptKeys';
import { TokenField, TokenProblem } from '../shared/parts/TokenField';

export function PromptBar({ model }: { model: ModelInfo | null }) {
  const spec = useSpec();
  const [draft, setDraft] = useState(spec.prompt);
  const [chat, setChat] = useState(spec.chat);
  const [from, setFrom] = useState(spec);
  // Back, Forward and examples change the prompt from outside.
  if (from.prompt !== spec.prompt || from.chat !== spec.chat) {
    setFrom(spec);
    setDraft(spec.prompt);
    setChat(spec.chat);
  }
  const generates = model?.capabilities.find((capability) => capability.name === 'generate');
  const run = (prompt = draft) => runPrompt({ prompt, chat });
  return (
    <form
      className="prompt-bar"
      aria-label="Prompt"
      onSubmit={(event) => {
        event.preventDefault();
        run();
      }}
    >
      <div className="prompt-field">
        <PromptText draft={draft} setDraft={setDraft} run={run} />
        <PromptNotes draft={{ prompt: draft, chat }} model={model} run={run} setChat={setChat} />
      </div>
      <TargetFields />
      <div className="prompt-actions">
        <button
          type="submit"
          className="primary"
          data-testid="run"
          disabled={draft === ''}
          title="Ctrl Enter or ⌘ Enter"
        >
          Run <kbd>Ctrl ↵</kbd>
        </button>
        <button
          type="button"
          data-testid="generate"
          disabled={draft === '' || generates?.available === false}
          title={
            generates?.available === false
              ? (generates.reason ?? 'Not available')
              : 'Continue the prompt'
          }
          onClick={() => {
            run();
            change({ generation: spec.generation ?? GENERATION, view: 'predictions' });
          }}
        >
          Generate
        </button>
      </div>
      <TokenProblem name="target" value={spec.target} onChange={setTarget} />
      <TokenProblem name="distractor" value={spec.distractor} onChange={setDistractor} />
    </form>
  );
}

/** A new prompt starts at its own last token; the same one is asked again where it failed. */
function runPrompt({ prompt, chat }: Prompted): void {
  if (prompt === '') return;
  const { spec } = useStore.getState();
  if (prompt === spec.prompt && chat === spec.chat) {
    const failed = {
      predicate: (query: { state: { status: string; data: unknown } }) =>
        query.state.data === undefined,
    };
    void queryClient.refetchQueries({ type: 'active', ...failed });
  } else change({ prompt, chat, position: null, positions: null });
}

interface TextProps {
  draft: string;
  setDraft: (draft: string) => void;
  run: () => void;
}

function PromptText({ draft, setDraft, run }: TextProps) {
  const problem = useProblems((at) => problemAt(at, 'prompt'));
  return (
    <div className="grow-text" data-text={`${draft}\u200b`}>
      <textarea
        id="prompt"
        data-testid="prompt"
        aria-label="Prompt"
        aria-describedby="prompt-notes"
        aria-invalid={problem !== null}
        placeholder="Type a prompt, then Run"
        rows={1}
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (pressed(PROMPT_KEYS, event) === 'run') {
            event.preventDefault();
            run();
          }
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
    </div>
  );
}

interface NotesProps {
  draft: Prompted;
  model: ModelInfo | null;
  run: (prompt: string) => void;
  setChat: (chat: boolean) => void;
}

function PromptNotes({ draft: { prompt: draft, chat }, model, run, setChat }: NotesProps) {
  const spec = useSpec();
  const settled = useSettled(useDeferredValue(draft), 200);
  const tokens = useTokens(
    promptOf({ prompt: settled, chat }),
    model !== null && settled.length <= (model?.limits.max_prompt_chars ?? 0),
  );
  const limit = model?.limits.max_prompt_chars ?? Infinity;
  const tooLong = draft.length > limit;
  return (
    <div className="prompt-notes" id="prompt-notes">
      <Examples model={model} run={run} />
      <ChatSwitch model={model} chat={chat} setChat={setChat} />
      {draft === '' ? null : tooLong ? (
        <span className="problem">
          {count(draft.length, 'character')}: at most {limit.toLocaleString('en')} can be sent.
        </span>
      ) : tokens.error && settled === draft ? (
        <span className="problem">{tokens.error.message}</span>
      ) : (
        <span>
          {tokens.data && settled === draft
            ? `${count(tokens.data.tokens.length, 'token')} of ${tokens.data.limit.toLocaleString('en')}`
            : '…'}
        </span>
      )}
      {(draft !== spec.prompt || chat !== spec.chat) && spec.prompt !== '' ? (
        <span className="unrun">changed, not run</span>
      ) : null}
      {settled === draft
        ? tokens.data?.notes.map((note) => (
            <span key={note} data-testid="prompt-note">
              {note}
            </span>
          ))
        : null}
      {/[ \t]$/.test(draft) ? (
        <span>
          ends in a space {showSpaces(draft.slice(-1))}: most tokens begin with one themselves
        </span>
      ) : null}
    </div>
  );
}

/** Shown where the model can chat, or a link says that it does. */
function ChatSwitch({
  model,
  chat,
  setChat,
}: Pick<NotesProps, 'model' | 'setChat'> & { chat: boolean }) {
  const can = model?.capabilities.some(({ name, available }) => name === 'chat' && available);
  const linked = useSpec().chat;
  if (!can && !chat && !linked) return null;
  return (
    <label title="The prompt is what the user says, or messages in JSON; the model’s chat template makes the text">
      <input
        type="checkbox"
        data-testid="chat"
        checked={chat}
        onChange={(event) => setChat(event.target.checked)}
      />{' '}
      chat
    </label>
  );
}

function Examples({ model, run }: { model: ModelInfo | null; run: (prompt: string) => void }) {
  return (
    <Popover.Root>
      <Popover.Trigger className="link" data-testid="examples" disabled={!model}>
        Examples
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className="popover examples"
          align="start"
          sideOffset={4}
          collisionPadding={8}
          aria-label="Example prompts"
        >
          <ul>
            {(model?.examples ?? []).map((example) => (
              <li key={example}>
                <Popover.Close onClick={() => run(example)}>{example}</Popover.Close>
              </li>
            ))}
          </ul>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

const setTarget = (text: string) => change({ target: text, follow: 'target' });
const setDistractor = (text: string) => change({ distractor: text });

function TargetFields() {
  const { target, distractor } = useSpec();
  return (
    <div className="target-fields">
      <TokenField
        name="target"
        label="Target token"
        value={target}
        onChange={setTarget}
        hint={'What to rate at every layer: a token, or an objective such as log_prob(" Tokyo")'}
      />
      <TokenField
        name="distractor"
        label="Distractor"
        value={distractor}
        onChange={setDistractor}
        hint="What to compare it with"
      />
    </div>
  );
}

/** A value once it has been still for a while. */
function useSettled<Value>(value: Value, milliseconds: number): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
