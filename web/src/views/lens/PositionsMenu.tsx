/** Which positions the lens reads, as text; the token strip takes the same by hand. */
import { useState } from 'react';
import { formatPositions, parsePositions } from '../../shared/text/edits';
import { shownPositions } from './lensRows';
import { useSpec } from '../../shared/state/store';

interface Props {
  length: number;
  choose: (positions: number[] | null) => void;
}

export function PositionsMenu({ length, choose }: Props) {
  const { positions } = useSpec();
  const written = formatPositions(positions);
  const [draft, setDraft] = useState(written);
  const [from, setFrom] = useState(written);
  if (from !== written) {
    setFrom(written);
    setDraft(written);
  }
  const problem = positionsProblem(draft, length);
  const commit = () => {
    const read = parsePositions(draft);
    if (problem === null && typeof read !== 'string' && draft !== written) choose(read);
  };
  return (
    <>
      <h3>Positions</h3>
      <label className="field-name" htmlFor="lens-positions">
        Read only these
      </label>
      <div className="positions-field">
        <input
          id="lens-positions"
          data-testid="lens-positions"
          className="mono"
          autoComplete="off"
          placeholder={`0-${Math.max(0, length - 1)}`}
          value={draft}
          aria-invalid={problem !== null}
          aria-describedby="lens-positions-note"
          onChange={(event) => setDraft(event.target.value)}
          onBlur={commit}
          onKeyDown={(event) => {
            if (event.key === 'Enter') commit();
          }}
        />
        <button
          type="button"
          data-testid="all-positions"
          disabled={positions === null}
          onClick={() => choose(null)}
        >
          All
        </button>
      </div>
      <p
        id="lens-positions-note"
        className={problem === null ? 'option-note' : 'option-note problem'}
      >
        {problem ??
          'Like 75-100, 120, -1. Or drag over the token strip, or click its first and Shift-click its last. The model always sees the whole prompt.'}
      </p>
    </>
  );
}

/** What is wrong with the text, in a sentence; null where nothing is. */
function positionsProblem(draft: string, length: number): string | null {
  const read = parsePositions(draft);
  if (typeof read === 'string') return read;
  return shownPositions(read, length)
    ? null
    : `This prompt has positions 0–${length - 1}: none of these is among them.`;
}
