/** "How is this computed?": the formula, and its value on this run. */
import type { ReactNode } from 'react';
import { Icon } from './parts';
import { PopOver } from './PopOver';

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
    <PopOver
      className="formula"
      label={title}
      button={{
        className: 'formula-button',
        'aria-label': `How is this computed? ${title}`,
        title: 'How is this computed?',
        children: 'ƒ',
      }}
    >
      {(close) => (
        <>
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
          <button
            type="button"
            className="icon-button popover-close"
            aria-label="Close"
            onClick={close}
          >
            <Icon name="close" />
          </button>
        </>
      )}
    </PopOver>
  );
}
