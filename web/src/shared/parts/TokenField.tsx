/** An input for exactly one token: a leading space is part of it, so it is shown. */
import { useState } from 'react';
import { problemAt } from '../api/client';
import { readSpaces, showSpaces } from '../../draw/tokens';
import { useTextTokens } from '../api/queries';
import { useProblems } from '../state/problems';
import { Icon } from './parts';

/** Characters that the field shows. */
const ROOM = 12;

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
          title={draft.length > ROOM ? showSpaces(draft) : hint}
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
    </div>
  );
}

interface ProblemProps extends Pick<Props, 'name' | 'value'> {
  /** Takes a token that is likely meant; null where there is no token to be meant. */
  onChange: Props['onChange'] | null;
}

/** What is wrong with a token, on a line of its own: it covers nothing, and has room. */
export function TokenProblem({ name, value, onChange }: ProblemProps) {
  const problem = useProblems((error) => problemAt(error, name));
  if (problem === null) return null;
  return (
    <p className="problem field-problem" id={`${name}-problem`}>
      {problem} {onChange ? <Suggestion value={value} onChange={onChange} /> : null}
    </p>
  );
}

/** The same text with a space before it, where that is one token: the usual slip. */
function Suggestion({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const spaced = ` ${value}`;
  const tokens = useTextTokens(spaced, value !== '' && !value.startsWith(' ')).data?.tokens ?? [];
  if (tokens.filter((token) => !token.special).length !== 1) return null;
  return (
    <button type="button" className="try" onClick={() => onChange(spaced)}>
      Use <bdi className="token">{showSpaces(spaced)}</bdi>
    </button>
  );
}
