/** What the model writes when it goes on: baseline, and with the edits, side by side as it is made. */
import { useGeneration, type Continued, type Made } from '../api/generation';
import { Formula } from './Formula';
import { Icon, Segments, SideMark, Token } from './parts';
import { probability } from '../../draw/format';
import { continued } from '../text/chat';
import type { Generation, Spec } from '../text/url';
import { change, notify, useSpec } from '../state/store';
import { ErrorNote } from './ErrorNote';
import { Status } from './ViewBar';

export default function Continuation({ generation }: { generation: Generation }) {
  const spec = useSpec();
  const analysis = useGeneration(spec, generation);
  const { grown } = analysis;
  // The answer to the question before stays until the new one begins.
  const shown = grown && grown.baseline.length > 0 ? grown : analysis.data;
  const stopped = analysis.cancelled && grown !== null && grown.texts === null;
  return (
    <section className="continuation" aria-label="Continuation" data-testid="continuation">
      <header>
        <h2>Continuation</h2>
        <Options generation={generation} />
        <ContinuationFormula generation={generation} />
        <span className="spring" />
        {stopped ? <span className="faint">stopped</span> : null}
        <Status kind="generate" analysis={analysis} />
        <button
          type="button"
          className="icon-button"
          aria-label="Close the continuation"
          onClick={() => change({ generation: null })}
        >
          <Icon name="close" />
        </button>
      </header>
      <ErrorNote error={analysis.error} retry={analysis.retry} stale={shown !== null} />
      {shown ? (
        <Texts
          shown={shown}
          stale={shown !== grown}
          grows={analysis.busy}
          tokens={generation.tokens}
        />
      ) : (
        <p className="generated faint">…</p>
      )}
    </section>
  );
}

function ContinuationFormula({ generation }: { generation: Generation }) {
  const { temperature, seed } = generation;
  return (
    <Formula
      title="How a continuation is made"
      lines={[
        {
          name: 'greedy',
          formula: 'next = argmax_t logit_t',
          note: 'Temperature 0. Each token that is chosen becomes part of the prompt; up to the end of the text, if the model ends it.',
        },
        {
          name: 'sampled',
          formula: 'p(t) ∝ exp( logit_t / temperature )',
          ...(temperature > 0 ? { value: `temperature ${temperature}, seed ${seed}` } : {}),
          note: 'Both sides draw with the same seed, so that what differs comes from the edits.',
        },
        {
          name: 'probability of a token',
          formula: 'softmax( logits )',
          note: 'Under the pointer. At temperature 1, however it was chosen.',
        },
        {
          name: 'edits',
          formula: 'at every step',
          note: 'An edit of every position acts on generated tokens too; one of certain positions on these alone.',
        },
      ]}
    />
  );
}

interface TextsProps {
  shown: Continued;
  stale: boolean;
  grows: boolean;
  tokens: number;
}

function Texts({ shown, stale, grows, tokens }: TextsProps) {
  const both = shown.edited !== null;
  return (
    <div className={`texts ${both ? 'both' : ''} ${stale ? 'stale' : ''}`} aria-busy={grows}>
      <Text
        side={both ? 'baseline' : null}
        made={shown.baseline}
        other={null}
        text={shown.texts?.baseline ?? null}
        tokens={tokens}
      />
      {shown.edited ? (
        <Text
          side="edited"
          made={shown.edited}
          other={shown.baseline}
          text={shown.texts?.edited ?? null}
          tokens={tokens}
        />
      ) : null}
    </div>
  );
}

interface TextProps {
  side: 'baseline' | 'edited' | null;
  made: Made[];
  other: Made[] | null;
  /** Null while it grows. */
  text: string | null;
  tokens: number;
}

/** From the first token on that differs, the text is another one: marked as such. */
function Text({ side, made, other, text, tokens }: TextProps) {
  const apart = other
    ? made.findIndex(({ token }, at) => other[at] && token.id !== other[at].token.id)
    : -1;
  const spec = useSpec();
  return (
    <div className="text">
      <p className="generated" data-testid={`generated-${side ?? 'baseline'}`}>
        {side ? <SideMark side={side} /> : null}
        {made.map(({ token, probability: share }, at) => (
          <span
            key={at}
            title={`${token.label}: probability ${probability(share)} when it was chosen`}
          >
            <Token token={token} className={apart >= 0 && at >= apart ? 'apart' : ''} />
          </span>
        ))}
      </p>
      <p className="faint text-foot">
        {made.length < tokens && text !== null
          ? `${made.length} tokens, then the end of the text`
          : `${made.length} of ${tokens} tokens`}
        {other && text !== null ? ` · ${comparison(apart)}` : null}
        <button
          type="button"
          className="link"
          disabled={text === null || text === ''}
          data-testid={`insert-${side ?? 'baseline'}`}
          title="The prompt becomes the prompt and this continuation"
          onClick={() => insert(spec, text ?? '')}
        >
          Insert into the prompt
        </button>
      </p>
    </div>
  );
}

function comparison(apart: number): string {
  return apart < 0 ? 'the same as the baseline' : `another text from token ${apart + 1} on`;
}

function insert(spec: Spec, text: string): void {
  change({ prompt: continued(spec, text), position: null, positions: null, generation: null });
  notify('The continuation is part of the prompt now.', {
    label: 'Undo',
    run: () => history.back(),
  });
}

const LENGTHS = ['1', '5', '10', '20', '50'] as const;

function Options({ generation }: { generation: Generation }) {
  const set = (patch: Partial<Generation>) => change({ generation: { ...generation, ...patch } });
  const greedy = generation.temperature === 0;
  return (
    <div className="generation-options">
      <Segments
        name="gen-tokens"
        label="New tokens"
        value={String(generation.tokens)}
        options={LENGTHS.map((value) => [value, value, `${value} new tokens`] as const)}
        onChange={(value) => set({ tokens: Number(value) })}
      />
      <NumberField
        label="tokens"
        value={generation.tokens}
        low={1}
        high={512}
        step={1}
        onChange={(tokens) => set({ tokens })}
      />
      <Segments
        name="sampling"
        label="How a token is chosen"
        value={greedy ? 'greedy' : 'sampled'}
        options={[
          ['greedy', 'greedy', 'The most likely token, each time'],
          ['sampled', 'sampled', 'Drawn from the distribution; the same seed draws the same'],
        ]}
        onChange={(value) => set({ temperature: value === 'greedy' ? 0 : 1 })}
      />
      {greedy ? null : (
        <>
          <NumberField
            label="temperature"
            value={generation.temperature}
            low={0}
            high={10}
            step={0.1}
            onChange={(temperature) => set({ temperature })}
          />
          <NumberField
            label="seed"
            value={generation.seed}
            low={0}
            high={2 ** 31 - 1}
            step={1}
            onChange={(seed) => set({ seed })}
          />
          <button
            type="button"
            className="link"
            title="Draw once more, with the next seed"
            onClick={() => set({ seed: generation.seed + 1 })}
          >
            again
          </button>
        </>
      )}
    </div>
  );
}

interface NumberProps {
  label: string;
  value: number;
  low: number;
  high: number;
  step: number;
  onChange: (value: number) => void;
}

/** Takes effect when it is left, or with Enter: half a number is no question. */
function NumberField({ label, value, low, high, step, onChange }: NumberProps) {
  const commit = (typed: number) => {
    if (typed >= low && typed <= high && typed !== value) onChange(typed);
  };
  return (
    <label>
      {label}
      <input
        type="number"
        className="mono"
        data-testid={`gen-${label}-field`}
        min={low}
        max={high}
        step={step}
        defaultValue={value}
        key={value}
        onBlur={(event) => commit(event.target.valueAsNumber)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          commit(event.currentTarget.valueAsNumber);
        }}
      />
    </label>
  );
}
