/** Parts of an edit wherever one is shown: its switch, the pop-over of its form. */
import { Popover } from 'radix-ui';
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

export function EditPopover({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <Popover.Portal>
      <Popover.Content
        className="popover edit-popover"
        sideOffset={4}
        collisionPadding={8}
        aria-label={label}
      >
        {children}
      </Popover.Content>
    </Popover.Portal>
  );
}
