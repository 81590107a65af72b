/** One field of the form of an edit, with what is wrong with it. */
import { useId, type ReactNode } from 'react';
import type { Draft } from '../text/draft';
import type { EditProblem } from '../text/editProblem';

export interface FieldsProps {
  draft: Draft;
  set: (patch: Partial<Draft>) => void;
  problem: EditProblem | null;
}

interface FieldProps {
  label: string;
  hint?: string;
  problem?: string | null;
  children: (field: {
    id: string;
    'aria-invalid': boolean;
    'aria-describedby': string | undefined;
  }) => ReactNode;
}

export function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId();
  const note = problem ?? hint;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-invalid': Boolean(problem),
        'aria-describedby': note ? `${id}-note` : undefined,
      })}
      {note ? (
        <span id={`${id}-note`} className={problem ? 'problem' : 'faint'}>
          {note}
        </span>
      ) : null}
    </div>
  );
}

export function messageAt(problem: EditProblem | null, field: EditProblem['field']): string | null {
  return problem?.field === field ? problem.message : null;
}
