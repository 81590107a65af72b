/** Where an edit is made: at positions, or between queries and keys. */
import { Field, messageAt, type FieldsProps } from './EditField';
import type { Draft } from '../text/draft';
import { useStore } from '../state/store';
import type { Kind } from '../text/address';

export const isHead = (kind: Kind): boolean => kind === 'head' || kind === 'cross_head';

/** Where in the prompt the edit acts; the chosen position is one click away. */
export function PositionsField({ draft, set, problem }: FieldsProps) {
  const position = useStore((state) => state.position);
  const positions = useStore((state) => state.positions);
  const last = positions - 1;
  const ofSource = draft.encoder;
  const ranges: Array<[label: string, text: string]> = [['every position', '']];
  // The position that is chosen is one of the prompt.
  if (position !== null && !ofSource) {
    ranges.push([`only ${position}`, String(position)]);
    if (position < last) ranges.push([`${position} to ${last}`, `${position}-${last}`]);
    if (position > 0) ranges.push([`0 to ${position}`, `0-${position}`]);
  }
  return (
    <div>
      <Field
        label="Positions"
        hint={
          ofSource
            ? 'Of the source: 3-5, 9 or -1; empty: every position'
            : '3-5, 9 or -1; empty: every position, those of generated tokens too'
        }
        problem={messageAt(problem, 'positions')}
      >
        {(field) => (
          <input
            {...field}
            className="mono"
            placeholder="every position"
            value={draft.positions}
            onChange={(event) => set({ positions: event.target.value })}
          />
        )}
      </Field>
      <p className="ranges">
        {ranges.map(([label, text]) => (
          <button
            key={label}
            type="button"
            className="tiny"
            aria-pressed={draft.positions.trim() === text}
            onClick={() => set({ positions: text })}
          >
            {label}
          </button>
        ))}
      </p>
    </div>
  );
}

/** Which pairs of query and key are knocked out, and what becomes of the others. */
export function PairsFields({ draft, set, problem }: FieldsProps) {
  const isPair = isHead(draft.kind) && draft.query !== '';
  return (
    <div>
      {isPair ? null : (
        <div className="form-row">
          <Field label="Pairs">
            {(field) => (
              <select
                {...field}
                value={draft.between}
                onChange={(event) => set({ between: event.target.value as Draft['between'] })}
              >
                <option value="">named here</option>
                <option value="across">all across both texts of a sentence pair</option>
                <option value="within">all within each text of a sentence pair</option>
              </select>
            )}
          </Field>
          {draft.between === '' ? (
            <Field label="Query and key" hint="14<3, 15<3" problem={messageAt(problem, 'pairs')}>
              {(field) => (
                <input
                  {...field}
                  className="mono"
                  data-testid="edit-pairs"
                  value={draft.pairs}
                  onChange={(event) => set({ pairs: event.target.value })}
                />
              )}
            </Field>
          ) : null}
        </div>
      )}
      <label>
        <input
          type="checkbox"
          data-testid="edit-renormalise"
          checked={draft.renormalise}
          onChange={(event) => set({ renormalise: event.target.checked })}
        />{' '}
        Renormalise: the rest of each row sums to what all of it did
      </label>
    </div>
  );
}

export function PairFields({ draft, set }: FieldsProps) {
  return (
    <details open={draft.query !== ''}>
      <summary>Only one pair of query and key</summary>
      <div className="form-row">
        <Field label="Query position">
          {(field) => (
            <input
              {...field}
              className="mono"
              value={draft.query}
              onChange={(event) => set({ query: event.target.value.trim() })}
            />
          )}
        </Field>
        <Field label="Key position">
          {(field) => (
            <input
              {...field}
              className="mono"
              value={draft.key}
              onChange={(event) => set({ key: event.target.value.trim() })}
            />
          )}
        </Field>
      </div>
    </details>
  );
}
