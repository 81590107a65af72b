/** A button, and what it opens beside itself: the page starts without the code that places it. */
import {
  lazy,
  Suspense,
  useId,
  useRef,
  useState,
  type ComponentProps,
  type ReactNode,
} from 'react';

const load = () => import('./Floating');
const Floating = lazy(load);

interface Props {
  /** The button. */
  button: Omit<ComponentProps<'button'>, 'type' | 'ref'> & { 'data-testid'?: string };
  className: string;
  label: string;
  align?: 'start' | 'center';
  testid?: string;
  /** What is shown; a function is given what closes it. */
  children: ReactNode | ((close: () => void) => ReactNode);
}

export function PopOver({ button, className, label, align, testid, children }: Props) {
  const [open, setOpen] = useState(false);
  const trigger = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = () => setOpen(false);
  return (
    <>
      <button
        {...button}
        ref={trigger}
        type="button"
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        data-state={open ? 'open' : 'closed'}
        onClick={() => setOpen(!open)}
        onPointerEnter={() => void load()}
        onFocus={() => void load()}
      />
      {open ? (
        <Suspense fallback={null}>
          <Floating
            id={id}
            className={className}
            label={label}
            trigger={trigger}
            close={close}
            {...(align ? { align } : {})}
            testid={testid}
          >
            {typeof children === 'function' ? children(close) : children}
          </Floating>
        </Suspense>
      ) : null}
    </>
  );
}
