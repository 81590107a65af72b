/** An input for exactly one token: a leading space is part of it, so it is shown. */
import { useState } from 'react';
import { problemAt } from '../api/client';
import { readSpaces, showSpaces } from '../core/tokens';
import { useProblems } from '../state/problems';
import { Icon } from './parts';

interface Props {
  name: 'target' | 'distractor';
  label: string;
  hint: string;
  value: string;
  onChange: (text: string) => void;
}

export function TokenField({ name, label, hint, value, onChange }: Props) {
  const [draft, setDraft] = useState(value);
  const [from, setFrom] = useState(value);
  if (from !== value) {
    setFrom(value);
    setDraft(value);
  }
  const commit = (text = draft) => {
    if (text !== value) onChange(text);
  };
  const problem = useProblems((error) => problemAt(error, name));
  return (
    <div className="token-field">
      <label htmlFor={name}>{label}</label>
      <div className="token-input">
        <input
          id={name}
          data-testid={name}
          className="mono"
          autoComplete="off"
          spellCheck={false}
          placeholder="␣token"
          title={hint}
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : `${name}-problem`}
          value={showSpaces(draft)}
          onChange={(event) => setDraft(readSpaces(event.target.value))}
          onBlur={() => commit()}
          onKeyDown={(event) => {
            if (event.key === 'Enter') {
              event.preventDefault();
              commit();
            }
          }}
        />
        {draft === '' ? null : (
          <button
            type="button"
            className="icon-button"
            aria-label={`Clear the ${label.toLowerCase()}`}
            onClick={() => {
              setDraft('');
              commit('');
            }}
          >
            <Icon name="close" />
          </button>
        )}
      </div>
      {problem === null ? null : (
        <p className="problem field-problem" id={`${name}-problem`}>
          {problem}
          {value !== '' && !value.startsWith(' ') ? (
            <button type="button" className="link" onClick={() => onChange(` ${value}`)}>
              Try {showSpaces(` ${value}`)}
            </button>
          ) : null}
        </p>
      )}
    </div>
  );
}
