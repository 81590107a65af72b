/** The switch of an edit, wherever one is shown. */
import { describeOperation, type Edit } from '../text/edits';

/** The switch of one edit: off keeps it and leaves it out of the run. */
export function OnOff({ made, onChange }: { made: Edit; onChange: (changed: Edit) => void }) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={made.enabled}
      className="switch"
      aria-label={`${made.target} ${describeOperation(made)}: in force`}
      title={
        made.enabled ? 'In force: click to leave it out of the run' : 'Left out: click to apply it'
      }
      onClick={() => onChange({ ...made, enabled: !made.enabled })}
    >
      <span />
    </button>
  );
}
