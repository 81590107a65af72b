/** A field for a prompt in a menu or form: Enter takes it, Shift+Enter is a new line. */
interface Props {
  testId: string;
  label: string;
  describedBy: string;
  value: string;
  change: (value: string) => void;
  take: () => void;
}

export function PromptField({ testId, label, describedBy, value, change, take }: Props) {
  return (
    <textarea
      className="mono against-field"
      data-testid={testId}
      aria-label={label}
      aria-describedby={describedBy}
      rows={3}
      spellCheck={false}
      value={value}
      onChange={(event) => change(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
        event.preventDefault();
        take();
      }}
    />
  );
}
