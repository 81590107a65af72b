/** What a pop-over shows, placed beside its button; what places it is fetched when it is first wanted. */
import { Popover } from 'radix-ui';
import { useRef, type ReactNode, type RefObject } from 'react';

export interface FloatingProps {
  id: string;
  className: string;
  label: string;
  trigger: RefObject<HTMLButtonElement | null>;
  close: () => void;
  align?: 'start' | 'center';
  testid?: string | undefined;
  children: ReactNode;
}

export default function Floating({
  id,
  className,
  label,
  trigger,
  close,
  align = 'center',
  testid,
  children,
}: FloatingProps) {
  const leftByPress = useRef(false);
  return (
    <Popover.Root open onOpenChange={close}>
      <Popover.Anchor virtualRef={trigger as RefObject<HTMLButtonElement>} />
      <Popover.Portal>
        <Popover.Content
          id={id}
          className={`popover ${className}`}
          align={align}
          sideOffset={4}
          collisionPadding={8}
          aria-label={label}
          data-testid={testid}
          // The button closes it by itself; whoever pressed elsewhere goes on there.
          onInteractOutside={(event) => {
            if (trigger.current?.contains(event.target as Node)) event.preventDefault();
            else leftByPress.current = true;
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            if (!leftByPress.current) trigger.current?.focus();
          }}
        >
          {children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
