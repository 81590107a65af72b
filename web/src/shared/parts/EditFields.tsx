/** One edit in full. What the model would refuse is said here, before anything is sent. */
import { OperationFields } from './EditOperation';
import { PairsFields, PositionsField } from './EditPlaces';
import { TargetFields } from './EditTarget';
import { useEffect, useRef, useState } from 'react';
import type { ModelInfo } from '../api/queries';
import { readDraft, toDraft, type Draft } from '../text/draft';
import { takesPositions, type Edit } from '../text/edits';

/** A pop-up that opened before its form was there keeps the focus itself: it goes on to the form. */
function useFocusInPopover() {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const waits = document.activeElement?.getAttribute('role') === 'dialog';
    if (waits && document.activeElement?.contains(form.current))
      form.current?.querySelector<HTMLElement>('select, input, button')?.focus();
  }, []);
  return form;
}

export interface EditFormProps {
  model: ModelInfo;
  initial: Edit;
  submit: string;
  /** The node is settled: only what is done to it is asked. */
  fixed?: boolean;
  onSubmit: (made: Edit) => void;
}

export function EditFields({ model, initial, submit, fixed = false, onSubmit }: EditFormProps) {
  const form = useFocusInPopover();
  const [draft, setDraft] = useState(() => toDraft(initial));
  const [tried, setTried] = useState(false);
  const set = (patch: Partial<Draft>) => setDraft((before) => ({ ...before, ...patch }));
  const read = readDraft(draft, initial, model);
  const problem = 'problem' in read ? read.problem : null;
  const shown = tried ? problem : null;
  return (
    <form
      ref={form}
      className="edit-form"
      data-testid="edit-form"
      onSubmit={(event) => {
        event.preventDefault();
        // React's events leave a portal upwards: a form around the pop-over must not be submitted too.
        event.stopPropagation();
        setTried(true);
        if ('made' in read) onSubmit(read.made);
      }}
    >
      {fixed ? null : <TargetFields draft={draft} set={set} model={model} problem={shown} />}
      <OperationFields draft={draft} set={set} problem={shown} model={model} />
      {takesPositions(draft.operation) ? (
        <PositionsField draft={draft} set={set} problem={shown} />
      ) : (
        <PairsFields draft={draft} set={set} problem={shown} />
      )}
      <div className="form-actions">
        <button type="submit" className="primary" data-testid="edit-submit">
          {submit}
        </button>
      </div>
    </form>
  );
}
