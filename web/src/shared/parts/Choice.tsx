/** Quiet words that open a menu: what a view is set to, and the choices behind it. */
import type { ReactNode } from 'react';
import { Icon } from './parts';
import { PopOver } from './PopOver';

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
    <PopOver
      className={`choice-menu ${wide ? 'wide' : ''}`}
      label={head}
      align="start"
      testid={`menu-${name}`}
      button={{
        className: `choice ${changed ? 'changed' : ''}`,
        'data-testid': `set-${name}`,
        children: (
          <>
            <span className="faint">{head}</span>
            <span>{says}</span>
            <Icon name="down" />
          </>
        ),
      }}
    >
      {children}
    </PopOver>
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
