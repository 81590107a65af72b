/** Quiet words that open a menu: what a view is set to, and the choices behind it. */
import { Popover } from 'radix-ui';
import type { ReactNode } from 'react';
import { Icon } from './parts';

interface ChoiceProps {
  name: string;
  head: string;
  says: ReactNode;
  /** Not as at the start: marked, so that an odd picture explains itself. */
  changed: boolean;
  wide?: boolean;
  children: ReactNode;
}

export function Choice({ name, head, says, changed, wide = false, children }: ChoiceProps) {
  return (
    <Popover.Root>
      <Popover.Trigger className={`choice ${changed ? 'changed' : ''}`} data-testid={`set-${name}`}>
        <span className="faint">{head}</span>
        <span>{says}</span>
        <Icon name="down" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className={`popover choice-menu ${wide ? 'wide' : ''}`}
          align="start"
          sideOffset={4}
          collisionPadding={8}
          aria-label={head}
          data-testid={`menu-${name}`}
        >
          {children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

interface CheckProps {
  name: string;
  checked: boolean;
  onChange: () => void;
  note?: string;
  children: ReactNode;
}

export function Check({ name, checked, onChange, note, children }: CheckProps) {
  return (
    <label className="option">
      <input type="checkbox" checked={checked} onChange={onChange} data-testid={name} />
      <span>
        {children}
        {note === undefined ? null : <span className="option-note">{note}</span>}
      </span>
    </label>
  );
}

interface OptionProps {
  group: string;
  value: string;
  checked: boolean;
  onChange: () => void;
  note?: ReactNode;
  disabled?: boolean;
  children: ReactNode;
}

export function Option({
  group,
  value,
  checked,
  onChange,
  note,
  disabled = false,
  children,
}: OptionProps) {
  return (
    <label className="option">
      <input
        type="radio"
        name={group}
        checked={checked}
        disabled={disabled}
        onChange={onChange}
        data-testid={`${group}-${value}`}
      />
      <span>
        {children}
        {note === undefined ? null : <span className="option-note">{note}</span>}
      </span>
    </label>
  );
}
