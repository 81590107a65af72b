/** The prompt and the two tokens it is read for. Nothing runs until Run. */
import { GENERATION } from '../shared/text/url';
import { lazy, Suspense, useDeferredValue, useEffect, useState } from 'react';
import { problemAt, type Schemas } from '../shared/api/client';
import { queryClient, useTokens, type ModelInfo } from '../shared/api/queries';
import { askedOf, exampleOf, isAsked, type Prompted } from '../shared/text/chat';
import { count } from '../draw/format';
import { showSpaces } from '../draw/tokens';
import { change, useSpec, useStore } from '../shared/state/store';
import { useProblems } from '../shared/state/problems';
import { pressed } from '../draw/keys';
import { PROMPT_KEYS } from './promptKeys';
import { PopOver } from '../shared/parts/PopOver';
import { TokenField, TokenProblem } from '../shared/parts/TokenField';

const LabelField = lazy(async () => ({ default: (await import('./LabelField')).LabelField }));

export function PromptBar({ model }: { model: ModelInfo | null }) {
  const spec = useSpec();
  const [draft, setDraft] = useState<Draft>(spec);
  const [from, setFrom] = useState(spec);
  // Back, Forward and examples change the prompt from outside.
  if (!isSame(from, spec)) {
    setFrom(spec);
    setDraft(spec);
  }
  const edit = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const generates = model?.capabilities.find((capability) => capability.name === 'generate');
  const run = (part: Partial<Draft> = {}) => runPrompt({ ...draft, ...part });
  const nothing = !isAsked(draft);
  const labels = model?.labels ?? [];
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
        <SourceText model={model} draft={draft} edit={edit} run={run} />
        <PromptText
          name="prompt"
          label="Prompt"
          named={hasSource(model, draft)}
          placeholder={
            model?.has_encoder
              ? 'What the decoder goes on with; empty: its start token'
              : 'Type a prompt, then Run'
          }
          value={draft.prompt}
          onValue={(prompt) => edit({ prompt })}
          run={run}
        />
        <PairText model={model} draft={draft} edit={edit} run={run} />
        <PromptNotes draft={draft} model={model} run={run} edit={edit} />
      </div>
      <TargetFields labels={labels} />
      <div className="prompt-actions">
        <button
          type="submit"
          className="primary"
          data-testid="run"
          disabled={nothing}
          title="Ctrl Enter or ⌘ Enter"
        >
          Run <kbd>Ctrl ↵</kbd>
        </button>
        <button
          type="button"
          data-testid="generate"
          disabled={nothing || generates?.available === false}
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
      <TokenProblem name="target" value={spec.target} onChange={labels.length ? null : setTarget} />
      <TokenProblem name="distractor" value={spec.distractor} onChange={setDistractor} />
    </form>
  );
}

/** A new prompt starts at its own last token; the same one is asked again where it failed. */
function runPrompt(draft: Draft): void {
  if (!isAsked(draft)) return;
  const { spec } = useStore.getState();
  if (isSame(draft, spec)) {
    const failed = {
      predicate: (query: { state: { status: string; data: unknown } }) =>
        query.state.data === undefined,
    };
    void queryClient.refetchQueries({ type: 'active', ...failed });
  } else {
    const { prompt, source, pair, chat } = draft;
    change({ prompt, source, pair, chat, position: null, positions: null });
  }
}

/** What is typed; a page has more. */
type Draft = Required<Prompted>;

function isSame(one: Draft, other: Draft): boolean {
  const same = (name: keyof Draft) => one[name] === other[name];
  return same('prompt') && same('source') && same('pair') && same('chat');
}

interface SourceProps {
  model: ModelInfo | null;
  draft: Draft;
  edit: (part: Partial<Draft>) => void;
  run: () => void;
}

/** Where the model has an encoder, or a link names what it reads. */
function hasSource(model: ModelInfo | null, draft: Draft): boolean {
  return model?.has_encoder === true || draft.source !== '';
}

function SourceText({ model, draft, edit, run }: SourceProps) {
  if (!hasSource(model, draft)) return null;
  return (
    <PromptText
      name="source"
      label="Source"
      named
      placeholder="What the encoder reads, then Run"
      value={draft.source}
      onValue={(source) => edit({ source })}
      run={run}
    />
  );
}

/** Shown where the model reads sentence pairs, or a link has one. */
function PairText({ model, draft, edit, run }: SourceProps) {
  const linked = useSpec().pair !== '';
  const can = model?.capabilities.some(({ name, available }) => name === 'pairs' && available);
  if (!can && !linked && draft.pair === '') return null;
  return (
    <PromptText
      name="pair"
      label="Second text"
      placeholder="A second text, for a sentence pair"
      value={draft.pair}
      onValue={(pair) => edit({ pair })}
      run={run}
    />
  );
}

interface TextProps {
  name: 'prompt' | 'source' | 'pair';
  label: string;
  /** Beside another field, so that its name must be seen. */
  named?: boolean;
  placeholder: string;
  value: string;
  onValue: (value: string) => void;
  run: () => void;
}

function PromptText({ name, label, named = false, placeholder, value, onValue, run }: TextProps) {
  const problem = useProblems((at) => problemAt(at, name));
  return (
    <div
      className="grow-text"
      data-text={`${value}\u200b`}
      {...(named ? { 'data-name': label } : {})}
    >
      <textarea
        id={name}
        data-testid={name}
        aria-label={label}
        aria-describedby="prompt-notes"
        aria-invalid={problem !== null}
        placeholder={placeholder}
        rows={1}
        spellCheck={false}
        value={value}
        onChange={(event) => onValue(event.target.value)}
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
  draft: Draft;
  model: ModelInfo | null;
  run: (part: Partial<Draft>) => void;
  edit: (part: Partial<Draft>) => void;
}

function PromptNotes({ draft, model, run, edit }: NotesProps) {
  const spec = useSpec();
  const { chat } = draft;
  const settled = useSettled(
    useDeferredValue(JSON.stringify([draft.prompt, draft.source, draft.pair])),
    200,
  );
  const [prompt, source, pair] = JSON.parse(settled) as [string, string, string];
  const limit = model?.limits.max_prompt_chars ?? Infinity;
  const longest = Math.max(draft.prompt.length, draft.source.length, draft.pair.length);
  const still = prompt === draft.prompt && source === draft.source && pair === draft.pair;
  const tokens = useTokens(
    askedOf({ prompt, chat, source, pair }),
    model !== null && Math.max(prompt.length, source.length, pair.length) <= limit,
  );
  return (
    <div className="prompt-notes" id="prompt-notes">
      <Examples model={model} run={run} />
      <ChatSwitch model={model} chat={chat} edit={edit} />
      {!isAsked(draft) ? null : longest > limit ? (
        <span className="problem">
          {count(longest, 'character')}: at most {limit.toLocaleString('en')} can be sent.
        </span>
      ) : tokens.error && still ? (
        <span className="problem">{tokens.error.message}</span>
      ) : (
        <span data-testid="prompt-size">{tokens.data && still ? sizeOf(tokens.data) : '…'}</span>
      )}
      {!isSame(draft, spec) && isAsked(spec) ? (
        <span className="unrun">changed, not run</span>
      ) : null}
      {still
        ? tokens.data?.notes.map((note) => (
            <span key={note} data-testid="prompt-note">
              {note}
            </span>
          ))
        : null}
      {/[ \t]$/.test(draft.prompt) ? (
        <span>
          ends in a space {showSpaces(draft.prompt.slice(-1))}: most tokens begin with one
          themselves
        </span>
      ) : null}
    </div>
  );
}

function sizeOf(data: Schemas['TokenizeResponse']): string {
  const read = data.source_tokens.length;
  const own = `${count(data.tokens.length, 'token')} of ${data.limit.toLocaleString('en')}`;
  return read > 0 ? `source ${count(read, 'token')}, prompt ${own}` : own;
}

/** Shown where the model can chat, or a link says that it does. */
function ChatSwitch({ model, chat, edit }: Pick<NotesProps, 'model' | 'edit'> & { chat: boolean }) {
  const can = model?.capabilities.some(({ name, available }) => name === 'chat' && available);
  const linked = useSpec().chat;
  if (!can && !chat && !linked) return null;
  return (
    <label title="The prompt is what the user says, or messages in JSON; the model’s chat template makes the text">
      <input
        type="checkbox"
        data-testid="chat"
        checked={chat}
        onChange={(event) => edit({ chat: event.target.checked })}
      />{' '}
      chat
    </label>
  );
}

function Examples({ model, run }: Pick<NotesProps, 'model' | 'run'>) {
  return (
    <PopOver
      className="examples"
      label="Example prompts"
      align="start"
      button={{
        className: 'link',
        'data-testid': 'examples',
        disabled: !model,
        children: 'Examples',
      }}
    >
      {(close) => (
        <ul>
          {(model?.examples ?? []).map((example) => (
            <li key={example}>
              <button
                type="button"
                onClick={() => {
                  run(exampleOf(example, model));
                  close();
                }}
              >
                {example}
              </button>
            </li>
          ))}
        </ul>
      )}
    </PopOver>
  );
}

const setTarget = (text: string) => change({ target: text, follow: 'target' });
const setDistractor = (text: string) => change({ distractor: text });

function TargetFields({ labels }: { labels: readonly string[] }) {
  const { target, distractor } = useSpec();
  if (labels.length > 0)
    return (
      <div className="target-fields">
        <Suspense fallback={null}>
          <LabelField labels={labels} target={target} onChange={setTarget} />
        </Suspense>
      </div>
    );
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
