/** A native dialog: focus stays in it, Esc closes it, and no style sheet is injected. */
import { useEffect, useRef, type ReactNode } from 'react';

interface Props {
  open: boolean;
  label: string;
  /** Absent: it cannot be dismissed. */
  onClose?: () => void;
  testid: string;
  children: ReactNode;
}

export function Modal({ open, label, onClose, testid, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open) dialog.current?.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      className="modal"
      aria-label={label}
      data-testid={testid}
      onCancel={(event) => {
        if (!onClose) event.preventDefault();
      }}
      onClose={() => onClose?.()}
    >
      {open ? children : null}
    </dialog>
  );
}
