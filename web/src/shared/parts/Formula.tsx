/** "How is this computed?": the formula, and its value on this run. */
import { Popover } from 'radix-ui';
import type { ReactNode } from 'react';
import { Icon } from './parts';

export interface FormulaLine {
  name: string;
  formula: string;
  value?: string;
  note?: string;
}

export function Formula({
  title,
  lines,
  children,
}: {
  title: string;
  lines: FormulaLine[];
  children?: ReactNode;
}) {
  return (
    <Popover.Root>
      <Popover.Trigger
        className="formula-button"
        aria-label={`How is this computed? ${title}`}
        title="How is this computed?"
      >
        ƒ
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          className="popover formula"
          sideOffset={4}
          collisionPadding={8}
          aria-label={title}
        >
          <h3>{title}</h3>
          <dl>
            {lines.map((line) => (
              <div key={line.name}>
                <dt>{line.name}</dt>
                <dd>
                  <code>{line.formula}</code>
                  {line.value === undefined ? null : <output>= {line.value}</output>}
                  {line.note === undefined ? null : <p>{line.note}</p>}
                </dd>
              </div>
            ))}
          </dl>
          {children}
          <Popover.Close className="icon-button popover-close" aria-label="Close">
            <Icon name="close" />
          </Popover.Close>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
