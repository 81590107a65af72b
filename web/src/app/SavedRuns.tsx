/** Experiments that are kept: saved under a name, opened again, sent to somebody. */
import { isAsked } from '../shared/text/chat';
import { useState } from 'react';
import {
  deleteRun,
  importRun,
  openRun,
  saveRun,
  sentence,
  useWorkspace,
  type RunEntry,
  type SavedRun,
} from '../shared/api/workspace';
import type { ModelInfo } from '../shared/api/queries';
import { count } from '../draw/format';
import { fileName, nameFor, readRuns, summaryOf } from '../shared/text/runs';
import { encodeSpec } from './address';
import { notify, useSpec, useStore } from '../shared/state/store';
import { Modal } from '../shared/parts/Modal';
import { Icon } from '../shared/parts/parts';
import { copyText, saveJson } from '../shared/parts/save';
import { Toast } from './Toast';

export default function SavedRuns({ model }: { model: ModelInfo | null }) {
  const close = () => useStore.setState({ runs: false });
  const workspace = useWorkspace();
  const runs = workspace.data?.runs ?? [];
  return (
    <Modal open label="Saved runs" onClose={close} testid="runs-dialog">
      <div
        className="runs"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          void importFiles(event.dataTransfer.files);
        }}
      >
        <h2>Saved runs</h2>
        <button
          type="button"
          className="icon-button popover-close"
          aria-label="Close"
          onClick={close}
        >
          <Icon name="close" />
        </button>
        <SaveForm />
        <ListHead runs={runs} />
        {workspace.error ? (
          <p className="problem" role="alert">
            {sentence(workspace.error)}{' '}
            <button type="button" className="link" onClick={() => void workspace.refetch()}>
              Retry
            </button>
          </p>
        ) : null}
        {workspace.data && runs.length === 0 ? <Empty /> : null}
        <RunList runs={runs} model={model} />
      </div>
      {/* A dialog makes all else inert: what the corner says, with its Undo, must be inside. */}
      <Toast />
    </Modal>
  );
}

function Empty() {
  return (
    <p className="faint runs-empty">
      None yet. A run is this page as it stands: prompt, edits, position, view. It is kept on the
      machine that Unembed runs on, opens with one click, and can be sent as a file or as a link.
    </p>
  );
}

/** What is on the page now, under a name. */
function SaveForm() {
  const spec = useSpec();
  const [name, setName] = useState(() => nameFor(spec));
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const nothing = !isAsked(spec);
  const save = async () => {
    setBusy(true);
    try {
      await saveRun({ name, note, spec: encodeSpec(spec), summary: summaryOf(spec) });
      setNote('');
      notify(`Saved “${name}”.`);
    } catch {
      // The corner says why; what was typed stays.
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="run-form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <p className="run-summary">
        {nothing ? 'Nothing to save: run a prompt first.' : summaryOf(spec)}
      </p>
      <label>
        Name
        <input
          data-testid="run-name"
          value={name}
          maxLength={200}
          required
          disabled={nothing}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <label>
        Note
        <textarea
          data-testid="run-note"
          rows={2}
          value={note}
          maxLength={4000}
          placeholder="What it shows"
          disabled={nothing}
          onChange={(event) => setNote(event.target.value)}
        />
      </label>
      <button
        type="submit"
        className="primary"
        data-testid="run-save"
        disabled={nothing || busy || name.trim() === ''}
      >
        Save this page
      </button>
    </form>
  );
}

function ListHead({ runs }: { runs: RunEntry[] }) {
  return (
    <div className="runs-head">
      <h3>{runs.length > 0 ? count(runs.length, 'run') : 'Runs'}</h3>
      <span className="spring" />
      <label className="link-like">
        Import …
        <input
          type="file"
          className="visually-hidden"
          accept="application/json,.json"
          multiple
          data-testid="run-import"
          onChange={(event) => {
            void importFiles(event.target.files);
            event.target.value = '';
          }}
        />
      </label>
      <button
        type="button"
        className="link"
        disabled={runs.length === 0}
        onClick={() => void attempt(async () => saveJson('runs.unembed.json', await openAll(runs)))}
      >
        Export all
      </button>
    </div>
  );
}

const FILTER_FROM = 8;

function RunList({ runs, model }: { runs: RunEntry[]; model: ModelInfo | null }) {
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const shown = runs.filter((run) =>
    `${run.name} ${run.note} ${run.summary}`.toLowerCase().includes(wanted),
  );
  return (
    <>
      {runs.length >= FILTER_FROM ? (
        <input
          type="search"
          aria-label="Filter runs"
          placeholder="Filter"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
      ) : null}
      <ul className="run-list" data-testid="run-list">
        {shown.map((run) => (
          <RunItem key={run.id} run={run} model={model} />
        ))}
      </ul>
    </>
  );
}

function RunItem({ run, model }: { run: RunEntry; model: ModelInfo | null }) {
  const other = model !== null && run.fingerprint !== '' && run.fingerprint !== model.fingerprint;
  return (
    <li data-testid={`run-${run.id}`}>
      <button
        type="button"
        className="link run-open"
        title="Open it: this page becomes the saved one; Back returns"
        onClick={() => void attempt(() => reopen(run.id))}
      >
        {run.name}
      </button>
      <time className="faint" dateTime={run.saved} title={run.saved}>
        {when(run.saved)}
      </time>
      <p className="run-summary">{run.summary}</p>
      {run.note ? <p className="run-note">{run.note}</p> : null}
      {other ? (
        <p className="faint">
          Made with {run.model || 'another model'}: it opens here with {model.name}, and its numbers
          will differ.
        </p>
      ) : null}
      <p className="run-acts">
        <Act label="Copy link" run={run} act={copyLink} />
        <Act label="Export" run={run} act={async (id) => exportRun(await openRun(id))} />
        <Act label="Delete" run={run} act={remove} />
      </p>
    </li>
  );
}

interface ActProps {
  label: string;
  run: RunEntry;
  act: (id: string) => Promise<void>;
}

function Act({ label, run, act }: ActProps) {
  return (
    <button
      type="button"
      className="link"
      aria-label={`${label}: ${run.name}`}
      onClick={() => void attempt(() => act(run.id))}
    >
      {label}
    </button>
  );
}

/** What fails is said in the corner; the dialog stays as it was. */
async function attempt(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (failure) {
    notify(sentence(failure));
  }
}

async function reopen(id: string): Promise<void> {
  const run = await openRun(id);
  useStore.setState({ runs: false });
  location.hash = run.spec;
}

async function copyLink(id: string): Promise<void> {
  const run = await openRun(id);
  await copyText(`${location.origin}${location.pathname}#${run.spec}`, `the link to “${run.name}”`);
}

async function exportRun(run: SavedRun): Promise<void> {
  saveJson(fileName(run.name), run);
}

async function openAll(runs: RunEntry[]): Promise<SavedRun[]> {
  return Promise.all(runs.map(({ id }) => openRun(id)));
}

async function remove(id: string): Promise<void> {
  const run = await openRun(id);
  await deleteRun(id);
  notify(`Deleted “${run.name}”.`, {
    label: 'Undo',
    run: () => void attempt(async () => void (await importRun(run))),
  });
}

async function importFiles(files: FileList | null): Promise<void> {
  await attempt(async () => {
    let kept = 0;
    for (const file of files ?? []) {
      const runs = readRuns(await file.text());
      if (typeof runs === 'string') throw new Error(`${file.name}: ${runs}`);
      for (const run of runs) await importRun(run);
      kept += runs.length;
    }
    if (kept > 0) notify(`Imported ${count(kept, 'run')}.`);
  });
}

function when(saved: string): string {
  const date = new Date(saved);
  return Number.isNaN(date.getTime())
    ? saved
    : date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
