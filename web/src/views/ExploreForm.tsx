/** The question, as one line: what is looked for, on which side, in which layers. */
import { useState, type ReactNode } from 'react';
import { ApiError, problemAt } from '../api/client';
import type { ModelInfo } from '../api/queries';
import { Segments } from '../components/parts';
import { parseTarget } from '../core/address';
import {
  formatLayers,
  neuronName,
  parseLayers,
  splitWords,
  type Context,
  type Explore,
} from '../core/explore';
import { readSpaces, showSpaces } from '../core/tokens';
import { ask, useExplore } from '../state/exploring';
import { change } from '../state/store';

interface Props {
  model: ModelInfo | null;
  context: Context;
  error: ApiError | null;
}

export function ExploreForm(props: Props) {
  const { ask: question } = useExplore();
  switch (question) {
    case 'search':
      return <WordsForm {...props} />;
    case 'token':
      return <TokenForm {...props} />;
    case 'similar':
      return <SimilarForm {...props} />;
    default:
      return <BrowseForm {...props} />;
  }
}

/** A text that is taken over by Enter or the button, and follows changes from outside. */
function useDraft(value: string): [string, (text: string) => void] {
  const [draft, setDraft] = useState(value);
  const [from, setFrom] = useState(value);
  if (from !== value) {
    setFrom(value);
    setDraft(value);
  }
  return [draft, setDraft];
}

interface LineProps {
  label: string;
  onSubmit: () => void;
  children: ReactNode;
  problem?: ReactNode;
}

function Line({ label, onSubmit, children, problem }: LineProps) {
  return (
    <form
      className="explore-form"
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      <div className="explore-line">{children}</div>
      {problem}
    </form>
  );
}

// ------------------------------------------------------------------ words

function WordsForm({ model, error }: Props) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(explore.words);
  const several = splitWords(explore.words).length > 1;
  return (
    <Line
      label="Search by words"
      onSubmit={() => ask({ words: draft.trim() })}
      problem={<Nearest error={error} explore={explore} />}
    >
      <input
        className="mono explore-words"
        type="search"
        data-testid="words"
        aria-label="Words, with commas between"
        aria-invalid={problemAt(error, 'words') !== null}
        placeholder="music, album"
        autoComplete="off"
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
      />
      <Go testid="search" label="Search" disabled={splitWords(draft).length === 0} />
      {several ? (
        <Segments
          name="combine"
          label="Of several words"
          value={explore.combine}
          options={[
            ['any', 'any', 'Vectors that list one of the words'],
            ['all', 'all', 'Vectors that list every word'],
          ]}
          onChange={(combine: Explore['combine']) => ask({ combine })}
        />
      ) : null}
      <Segments
        name="match"
        label="How a word is met"
        value={explore.match}
        options={[
          [
            'word',
            'word',
            'Every token that is the word, whatever its case and the space before it',
          ],
          ['exact', 'exact', 'The token of exactly this text; write ␣ for a space'],
          ['part', 'part', 'Every token that contains it'],
        ]}
        onChange={(match: Explore['match']) => ask({ match })}
      />
      <SideChoice />
      <Segments
        name="ranking"
        label="Ranked by"
        value={explore.ranking}
        options={[
          ['strength', 'strength', 'How strongly a vector promotes the words, and little else'],
          ['bm25', 'BM25', 'How many of the words its list has, rare ones counting more'],
        ]}
        onChange={(ranking: Explore['ranking']) => ask({ ranking })}
      />
      <LayersField model={model} />
    </Line>
  );
}

/** A word that the vocabulary does not have: the nearest ones are one click away. */
function Nearest({ error, explore }: { error: ApiError | null; explore: Explore }) {
  if (!error || problemAt(error, 'words') === null) return null;
  const words = splitWords(explore.words);
  const wrong = words[Number(/\[(\d+)\]/.exec(error.body.field ?? '')?.[1] ?? 0)] ?? '';
  const near = [...(error.body.legal ?? '').matchAll(/'([^']+)'|"([^"]+)"/g)].map(
    (found) => found[1] ?? found[2] ?? '',
  );
  const parts = error.body.fix?.includes('match="part"') && explore.match !== 'part';
  return (
    <p className="explore-nearest" role="alert" data-testid="nearest">
      <strong className="problem">
        {error.message.replace(/; the nearest words are .*/, '.')}
      </strong>
      {near.length > 0 ? <span className="faint">Nearest:</span> : null}
      {near.map((word) => (
        <button
          key={word}
          type="button"
          className="try"
          onClick={() =>
            ask({ words: words.map((other) => (other === wrong ? word : other)).join(', ') })
          }
        >
          {word}
        </button>
      ))}
      {parts ? (
        <button type="button" className="link" onClick={() => ask({ match: 'part' })}>
          Find it by its parts
        </button>
      ) : null}
    </p>
  );
}

// ------------------------------------------------------------------ one token

function TokenForm({ model, error }: Props) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(explore.token);
  return (
    <Line
      label="Search by token"
      onSubmit={() => ask({ token: draft })}
      problem={
        <Spaced error={error} at="token" text={explore.token} use={(token) => ask({ token })} />
      }
    >
      <TokenInput
        testid="token"
        label="Token"
        value={draft}
        onChange={setDraft}
        wrong={problemAt(error, 'token') !== null}
      />
      <Go testid="search" label="Search" disabled={draft === ''} />
      <SideChoice />
      <LayersField model={model} />
    </Line>
  );
}

interface TokenInputProps {
  testid: string;
  label: string;
  value: string;
  onChange: (text: string) => void;
  wrong: boolean;
}

/** Exactly one token: the space before it is part of it, and shown. */
function TokenInput({ testid, label, value, onChange, wrong }: TokenInputProps) {
  return (
    <input
      className="mono explore-token"
      data-testid={testid}
      aria-label={label}
      aria-invalid={wrong}
      placeholder="␣token"
      title={`${label}: a space before it is part of it`}
      autoComplete="off"
      spellCheck={false}
      value={showSpaces(value)}
      onChange={(event) => onChange(readSpaces(event.target.value))}
    />
  );
}

interface SpacedProps {
  error: ApiError | null;
  at: string;
  text: string;
  use: (text: string) => void;
}

/** The usual slip: most words are one token only with the space before them. */
function Spaced({ error, at, text, use }: SpacedProps) {
  if (problemAt(error, at) === null || text === '' || text.startsWith(' ')) return null;
  return (
    <p className="explore-nearest">
      <span className="faint">Meant with the space before it?</span>
      <button type="button" className="try" onClick={() => use(` ${text}`)}>
        {showSpaces(` ${text}`)}
      </button>
    </p>
  );
}

// ------------------------------------------------------------------ similar vectors

function SimilarForm({ model, context, error }: Props) {
  const explore = useExplore();
  return (
    <Line
      label="Similar vectors"
      onSubmit={() => undefined}
      problem={
        <>
          <Spaced error={error} at="tokens[0]" text={explore.plus} use={(plus) => ask({ plus })} />
          <Spaced
            error={error}
            at="tokens[1]"
            text={explore.minus}
            use={(minus) => ask({ minus })}
          />
        </>
      }
    >
      <Segments
        name="like"
        label="Similar to"
        value={explore.like}
        options={[
          ['node', 'a neuron', 'Value vectors that point as this one does'],
          ['tokens', 'tokens', 'The direction of a token, or the difference of two'],
          ['state', 'this run', 'A state of the residual stream on the current prompt'],
        ]}
        onChange={(like: Explore['like']) => ask({ like })}
      />
      {explore.like === 'node' ? <NodeField model={model} key="node" /> : null}
      {explore.like === 'tokens' ? <TokensFields error={error} key="tokens" /> : null}
      {explore.like === 'state' ? <StateField model={model} context={context} key="state" /> : null}
      <LayersField model={model} />
    </Line>
  );
}

function NodeField({ model }: { model: ModelInfo | null }) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(explore.node ?? '');
  const node = neuronName(draft);
  const wrong = draft !== '' && !fits(node, model);
  return (
    <OnEnter act={() => node && !wrong && ask({ node })}>
      <input
        className="mono explore-token"
        data-testid="similar-node"
        aria-label="Neuron"
        aria-invalid={wrong}
        placeholder="L12.N512"
        autoComplete="off"
        spellCheck={false}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
      />
      <button
        type="button"
        className="primary"
        data-testid="search"
        disabled={!node || wrong}
        onClick={() => ask({ node })}
      >
        Find
      </button>
    </OnEnter>
  );
}

function fits(node: string | null, model: ModelInfo | null): boolean {
  const target = node === null ? null : parseTarget(node);
  if (target?.kind !== 'neuron') return false;
  return !model || (target.layer < model.n_layers && target.neuron < model.d_mlp);
}

function TokensFields({ error }: { error: ApiError | null }) {
  const explore = useExplore();
  const [plus, setPlus] = useDraft(explore.plus);
  const [minus, setMinus] = useDraft(explore.minus);
  const go = () => plus !== '' && ask({ plus, minus });
  return (
    <OnEnter act={go}>
      <TokenInput
        testid="plus"
        label="Token"
        value={plus}
        onChange={setPlus}
        wrong={problemAt(error, 'tokens[0]') !== null}
      />
      <span className="faint">−</span>
      <TokenInput
        testid="minus"
        label="Less this token"
        value={minus}
        onChange={setMinus}
        wrong={problemAt(error, 'tokens[1]') !== null}
      />
      <button
        type="button"
        className="primary"
        data-testid="search"
        disabled={plus === ''}
        onClick={go}
      >
        Find
      </button>
    </OnEnter>
  );
}

const SITES = [
  ['resid_mid', 'stream after attention'],
  ['resid_post', 'stream after feed-forward'],
  ['attn_out', 'what attention adds'],
  ['mlp_out', 'what feed-forward adds'],
] as const;

function StateField({ model, context }: { model: ModelInfo | null; context: Context }) {
  const explore = useExplore();
  const target = parseTarget(explore.site ?? context.row);
  const [layer, site] = target?.kind === 'site' ? [target.layer, target.site] : [0, 'resid_post'];
  const choose = (next: { layer?: number; site?: string }) =>
    ask({ site: `L${next.layer ?? layer}.${next.site ?? site}` });
  const available = (name: string) =>
    model?.capabilities.find((capability) => capability.name === name)?.available ?? true;
  if (context.prompt === '') return <span className="faint">Run a prompt first.</span>;
  return (
    <span className="explore-group">
      <span className="faint">position {context.position ?? '…'}, layer</span>
      <LayerSelect model={model} value={layer} onChange={(value) => choose({ layer: value })} />
      <select
        aria-label="Where in the layer"
        value={site}
        onChange={(event) => choose({ site: event.target.value })}
      >
        {SITES.filter(([name]) => available(name) || name === site).map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </span>
  );
}

// ------------------------------------------------------------------ layers

function BrowseForm({ model }: Props) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(String(explore.first));
  const most = model?.d_mlp ?? Infinity;
  const good = /^\d{1,7}$/.test(draft) && Number(draft) < most;
  return (
    <Line label="Browse a layer" onSubmit={() => good && ask({ first: Number(draft) })}>
      <span className="faint">layer</span>
      <LayerSelect
        model={model}
        value={explore.layer}
        onChange={(layer) => ask({ layer, first: 0 })}
      />
      <label htmlFor="browse-first" className="faint">
        from neuron
      </label>
      <input
        id="browse-first"
        className="mono explore-number"
        data-testid="browse-first"
        inputMode="numeric"
        aria-invalid={!good}
        title={model ? `0–${most - 1}` : undefined}
        value={draft}
        onChange={(event) => setDraft(event.target.value.trim())}
      />
      <Go testid="search" label="Go" disabled={!good} />
      <button
        type="button"
        disabled={!good}
        data-testid="browse-open"
        onClick={() => change({ node: `L${explore.layer}.N${Number(draft)}` })}
      >
        Open L{explore.layer}.N{draft}
      </button>
    </Line>
  );
}

function LayerSelect({
  model,
  value,
  onChange,
}: {
  model: ModelInfo | null;
  value: number;
  onChange: (layer: number) => void;
}) {
  return (
    <select
      className="mono"
      data-testid="layer-select"
      aria-label="Layer"
      value={value}
      onChange={(event) => onChange(Number(event.target.value))}
    >
      {Array.from({ length: Math.max(model?.n_layers ?? 0, value + 1) }, (_, layer) => (
        <option key={layer} value={layer}>
          {layer}
        </option>
      ))}
    </select>
  );
}

// ------------------------------------------------------------------ shared

export function SideChoice() {
  const { side } = useExplore();
  return (
    <Segments
      name="side"
      label="Side"
      value={side}
      options={[
        ['promoted', '+ promotes', 'Vectors that raise it'],
        ['suppressed', '− suppresses', 'Vectors that lower it'],
        ['both', '±', 'Either'],
      ]}
      onChange={(chosen: Explore['side']) => ask({ side: chosen })}
    />
  );
}

function LayersField({ model }: { model: ModelInfo | null }) {
  const explore = useExplore();
  const [draft, setDraft] = useDraft(formatLayers(explore.layers));
  const read = parseLayers(draft, model?.n_layers);
  const commit = () => {
    if (typeof read !== 'string' && formatLayers(read) !== formatLayers(explore.layers))
      ask({ layers: read });
  };
  return (
    <span className="explore-group">
      <label htmlFor="explore-layers" className="faint">
        layers
      </label>
      <input
        id="explore-layers"
        className="mono explore-number"
        data-testid="layers-range"
        placeholder="all"
        aria-invalid={typeof read === 'string'}
        title={typeof read === 'string' ? read : 'One layer, 5, or a range, 3-9; empty: all'}
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={commit}
        onKeyDown={(event) => {
          if (event.key === 'Enter') {
            event.preventDefault();
            commit();
          }
        }}
      />
    </span>
  );
}

/** Enter in one of the fields presses their button. */
function OnEnter({ act, children }: { act: () => void; children: ReactNode }) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions
    <span
      className="explore-group"
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || !(event.target instanceof HTMLInputElement)) return;
        event.preventDefault();
        act();
      }}
    >
      {children}
    </span>
  );
}

function Go({ testid, label, disabled }: { testid: string; label: string; disabled: boolean }) {
  return (
    <button type="submit" className="primary" data-testid={testid} disabled={disabled}>
      {label}
    </button>
  );
}
