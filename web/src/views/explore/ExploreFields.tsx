/** The fields that questions to the index are made of. */
import { useState, type ReactNode } from 'react';
import { problemAt, type ApiError } from '../../shared/api/client';
import type { ModelInfo } from '../../shared/api/queries';
import { Segments } from '../../shared/parts/parts';
import { parseLayers, type Explore } from '../../shared/text/explore';
import { formatLayers } from '../../shared/text/exploreQuestions';
import { readSpaces, showSpaces } from '../../draw/tokens';
import { ask, useExplore } from '../../shared/state/exploring';

/** A text that is taken over by Enter or the button, and follows changes from outside. */
export function useDraft(value: string): [string, (text: string) => void] {
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

export function Line({ label, onSubmit, children, problem }: LineProps) {
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

interface TokenInputProps {
  testid: string;
  label: string;
  value: string;
  onChange: (text: string) => void;
  wrong: boolean;
}

/** Exactly one token: the space before it is part of it, and shown. */
export function TokenInput({ testid, label, value, onChange, wrong }: TokenInputProps) {
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
export function Spaced({ error, at, text, use }: SpacedProps) {
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

export function LayerSelect({
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

export function LayersField({ model }: { model: ModelInfo | null }) {
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
export function OnEnter({ act, children }: { act: () => void; children: ReactNode }) {
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

export function Go({
  testid,
  label,
  disabled,
}: {
  testid: string;
  label: string;
  disabled: boolean;
}) {
  return (
    <button type="submit" className="primary" data-testid={testid} disabled={disabled}>
      {label}
    </button>
  );
}
