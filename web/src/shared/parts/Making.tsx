/** Parts of the forms with which long work is begun: a corpus, an autoencoder. */
import type { ReactNode } from 'react';
import { bytes } from '../../draw/format';
import { besides } from '../api/uploads';
import { Icon } from './parts';
import { useFocusIfLost } from './useFocusIfLost';
import './making.css';

export function Row({
  label,
  note,
  children,
}: {
  label: string;
  note?: string | undefined;
  children: ReactNode;
}) {
  return (
    <label className="making-field">
      <span>{label}</span>
      {children}
      {note ? <span className="faint">{note}</span> : null}
    </label>
  );
}

interface FilesProps {
  files: readonly File[];
  testid: string;
  /** What can be chosen. */
  says: string;
  onFiles: (files: readonly File[]) => void;
}

export function ChooseFiles({ files, testid, says, onFiles }: FilesProps) {
  const take = (list: FileList | null) => {
    if (list) onFiles(besides(files, [...list]));
  };
  return (
    // Dropping files is beside the button, which the keyboard has.
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      className="making-field making-files"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        take(event.dataTransfer.files);
      }}
    >
      <span>Files</span>
      <div>
        <label className="choose-file">
          Choose files …
          <input
            type="file"
            multiple
            className="visually-hidden"
            data-testid={testid}
            onChange={(event) => {
              take(event.target.files);
              event.target.value = ''; // the same file may be chosen anew after it was changed
            }}
          />
        </label>{' '}
        <span className="faint">or drop them here: {says}</span>
        {files.length > 0 ? (
          <ul>
            {files.map((file) => (
              <li key={file.name}>
                <span className="mono">{file.name}</span>{' '}
                <span className="faint">{bytes(file.size)}</span>
                <button
                  type="button"
                  className="icon-button"
                  aria-label={`Without ${file.name}`}
                  onClick={() => onFiles(files.filter((one) => one !== file))}
                >
                  <Icon name="close" />
                </button>
              </li>
            ))}
          </ul>
        ) : null}
      </div>
    </div>
  );
}

interface PreparingProps {
  doing: 'sending' | 'estimating';
  /** Bytes that are sent, and of how many. */
  progress: readonly [number, number];
  /** What is done with what was sent. */
  says: string;
  testid: string;
  onCancel: () => void;
}

/** Files on their way, and the estimate that comes before the work itself. */
export function Preparing({ doing, progress, says, testid, onCancel }: PreparingProps) {
  const [sent, total] = progress;
  const place = useFocusIfLost<HTMLDivElement>();
  return (
    <div
      ref={place}
      tabIndex={-1}
      className="build-progress"
      role="status"
      data-testid={testid}
      data-busy="true"
    >
      <progress
        aria-label="Preparing"
        className="status-line"
        {...(doing === 'sending' && total > 0 ? { value: sent, max: total } : {})}
      />
      <span>{doing === 'sending' ? `sending files, ${bytes(sent)} of ${bytes(total)}` : says}</span>
      <button type="button" className="link" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}
