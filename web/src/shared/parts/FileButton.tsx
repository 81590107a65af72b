/** Lets a file be chosen; the same one again, too, after it was changed. */
interface Props {
  words: string;
  accept: string;
  testId: string;
  open: (file: File) => void;
}

export function FileButton({ words, accept, testId, open }: Props) {
  return (
    <label className="choose-file">
      {words} …
      <input
        type="file"
        className="visually-hidden"
        accept={accept}
        data-testid={testId}
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = '';
          if (file) open(file);
        }}
      />
    </label>
  );
}
