/** Circuits that are kept in the workspace: by name, with what was measured of them. */
import { useState } from 'react';
import { count, part } from '../../draw/format';
import {
  deleteCircuit,
  importCircuit,
  openCircuit,
  renameCircuit,
  saveCircuit,
  sentence,
  useWorkspace,
  type CircuitEntry,
} from '../../shared/api/workspace';
import { FileButton } from '../../shared/parts/FileButton';
import { saveJson } from '../../shared/parts/save';
import { notify } from '../../shared/state/store';
import { fileName } from '../../shared/text/runs';
import { useCircuitSpec } from './circuitState';
import { fromKept } from './kept';
import type { CircuitAnswer } from './query';

/** `answer`: the circuit that can be kept now. */
export function KeptCircuits({ answer }: { answer: CircuitAnswer | null }) {
  const workspace = useWorkspace();
  const kept = workspace.data?.circuits ?? [];
  return (
    <section className="circuit-kept" aria-label="Kept circuits" data-testid="kept-circuits">
      <h3>{kept.length > 0 ? `${count(kept.length, 'kept circuit')}` : 'Kept circuits'}</h3>
      {answer ? <Keep answer={answer} /> : null}
      {workspace.error ? (
        <p className="problem" role="alert">
          {sentence(workspace.error)}
        </p>
      ) : null}
      {workspace.data && kept.length === 0 ? (
        <p className="faint">
          None yet. Under a name a circuit stays on the machine that Unembed runs on, with its
          prompt and what was measured.
        </p>
      ) : null}
      <ul className="circuit-list">
        {kept.map((entry) => (
          <Kept key={entry.id} entry={entry} />
        ))}
      </ul>
      <FileButton
        words="Import"
        accept=".json,application/json"
        testId="circuit-import"
        open={(file) => void attempt(() => take(file))}
      />
    </section>
  );
}

function Keep({ answer }: { answer: CircuitAnswer }) {
  const { corrupted } = useCircuitSpec();
  const [name, setName] = useState('');
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    await attempt(async () => {
      const spec = location.hash.slice(1);
      await saveCircuit({ name: name.trim(), note: '', corrupted, spec, circuit: answer as never });
      notify(`Kept “${name.trim()}”.`);
      setName('');
    });
    setBusy(false);
  };
  return (
    <form
      className="circuit-hand"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <input
        aria-label="A name to keep this circuit under"
        data-testid="keep-name"
        placeholder="A name for this circuit"
        maxLength={200}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <button type="submit" data-testid="keep" disabled={busy || name.trim() === ''}>
        Keep
      </button>
    </form>
  );
}

function Kept({ entry }: { entry: CircuitEntry }) {
  const [renaming, setRenaming] = useState(false);
  const faithful = entry.faithfulness == null ? '' : ` · faithfulness ${part(entry.faithfulness)}`;
  return (
    <li data-testid={`kept-${entry.id}`}>
      {renaming ? (
        <Rename entry={entry} done={() => setRenaming(false)} />
      ) : (
        <button
          type="button"
          className="link"
          title={`Opens it, with its prompt: ${entry.prompt}`}
          onClick={() => void attempt(() => open(entry.id))}
        >
          {entry.name}
        </button>
      )}
      <p className="faint">
        {count(entry.n_kept, 'edge')}
        {faithful} · {entry.objective} · <bdi>{entry.prompt}</bdi>
        {entry.model ? ` · ${entry.model}` : ''}
      </p>
      <p className="circuit-acts">
        <Act entry={entry} label="Rename" act={async () => setRenaming(true)} />
        <Act entry={entry} label="Export" act={() => toFile(entry.id)} />
        <Act entry={entry} label="Delete" act={() => remove(entry.id)} />
      </p>
    </li>
  );
}

interface ActProps {
  entry: CircuitEntry;
  label: string;
  act: () => Promise<void>;
}

function Act({ entry, label, act }: ActProps) {
  return (
    <button
      type="button"
      className="link"
      aria-label={`${label}: ${entry.name}`}
      onClick={() => void attempt(act)}
    >
      {label}
    </button>
  );
}

function Rename({ entry, done }: { entry: CircuitEntry; done: () => void }) {
  const [name, setName] = useState(entry.name);
  return (
    <form
      className="circuit-hand"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt(async () => {
          await renameCircuit(entry.id, name.trim(), entry.note);
          done();
        });
      }}
    >
      <input
        // The name was just asked to be changed.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        aria-label={`Another name for ${entry.name}`}
        data-testid="rename-name"
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          done();
        }}
        maxLength={200}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <button type="submit" disabled={name.trim() === ''}>
        Rename
      </button>
    </form>
  );
}

/** What fails is said in the corner. */
async function attempt(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (failure) {
    notify(sentence(failure));
  }
}

async function open(id: string): Promise<void> {
  const problem = fromKept(await openCircuit(id));
  if (problem !== null) notify(problem);
}

async function toFile(id: string): Promise<void> {
  const found = await openCircuit(id);
  saveJson(fileName(found.name), found);
}

async function remove(id: string): Promise<void> {
  const found = await openCircuit(id);
  await deleteCircuit(id);
  notify(`Deleted “${found.name}”.`, {
    label: 'Undo',
    run: () => void attempt(async () => void (await importCircuit(found))),
  });
}

async function take(file: File): Promise<void> {
  let said: unknown;
  try {
    said = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is no JSON.`);
  }
  await importCircuit(said);
  notify(`Imported ${file.name}.`);
}
