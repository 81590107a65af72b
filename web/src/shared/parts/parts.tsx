/** Small parts that every view shares. */
import type { ReactNode } from 'react';
import type { Schemas } from '../api/client';

/** A token with its white space visible; right-to-left text cannot disturb its neighbours. */
export function Token({ token, className = '' }: { token: Schemas['Token']; className?: string }) {
  return (
    <bdi
      className={`token ${token.special ? 'special' : ''} ${className}`}
      title={`${token.label}  (id ${token.id})`}
    >
      {token.label}
    </bdi>
  );
}

/** A word that stays for screen readers when only its sign is shown. */
export function Hidden({ children }: { children: ReactNode }) {
  return <span className="visually-hidden">{children}</span>;
}

const ICONS = {
  close: 'M4 4l8 8M12 4l-8 8',
  plus: 'M8 3v10M3 8h10',
  down: 'M4 6l4 4 4-4',
  link: 'M6.5 9.5l3-3M7 4.5l1-1a2.5 2.5 0 0 1 3.5 3.5l-1 1M9 11.5l-1 1a2.5 2.5 0 0 1-3.5-3.5l1-1',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 0 0 0-5.6M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1',
  moon: 'M13 9.6A5.4 5.4 0 0 1 6.4 3a5.4 5.4 0 1 0 6.6 6.6z',
  system: 'M2.5 3.5h11v7h-11zM6 13h4M8 10.5V13',
  flip: 'M5 13V3M2.5 5.5L5 3l2.5 2.5M11 3v10M8.5 10.5L11 13l2.5-2.5',
  edit: 'M3 13l.6-2.6L10.8 3.2l2 2L5.6 12.4z',
  back: 'M10 4L6 8l4 4',
  forward: 'M6 4l4 4-4 4',
  copy: 'M6 6h7v7H6zM10 6V3H3v7h3',
  open: 'M9 3h4v4M13 3L7.5 8.5M11.5 9.5V13h-8.5V4.5H6.5',
  similar: 'M10 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0M13 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0',
} as const;

export function Icon({ name }: { name: keyof typeof ICONS }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}

interface SegmentsProps<Value extends string> {
  label: string;
  value: Value;
  options: ReadonlyArray<readonly [value: Value, label: string, title?: string]>;
  onChange: (value: Value) => void;
  name: string;
  className?: string;
}

/** One of a few: radio buttons that look like one bar. */
export function Segments<Value extends string>(props: SegmentsProps<Value>) {
  return (
    <fieldset className={`segments ${props.className ?? ''}`} data-testid={props.name}>
      <legend className="visually-hidden">{props.label}</legend>
      {props.options.map(([value, label, title]) => (
        <label key={value} title={title} className={value === props.value ? 'chosen' : ''}>
          <input
            type="radio"
            name={props.name}
            value={value}
            checked={value === props.value}
            onChange={() => props.onChange(value)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** A share of 1 as a thin bar. The number stands beside it, always. */
export function Bar({
  share,
  side = 'baseline',
}: {
  share: number;
  side?: 'baseline' | 'edited' | 'accent';
}) {
  const width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return (
    <span className={`bar ${side}`} aria-hidden="true">
      <span style={{ width }} />
    </span>
  );
}

/** A signed amount as a bar to either side of zero. */
export function SignedBar({ share }: { share: number }) {
  const width = `${Math.min(1, Math.abs(share)) * 50}%`;
  return (
    <span className={`signed-bar ${share < 0 ? 'negative' : 'positive'}`} aria-hidden="true">
      <span style={share < 0 ? { width, right: '50%' } : { width, left: '50%' }} />
    </span>
  );
}

/** The mark of a side: its colour and its letter. */
export function SideMark({ side }: { side: 'baseline' | 'edited' }) {
  return (
    <span className={`side-mark ${side}`} title={side}>
      <span aria-hidden="true">{side === 'baseline' ? 'B' : 'E'}</span>
      <Hidden>{side}</Hidden>
    </span>
  );
}
