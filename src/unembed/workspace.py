"""What a person keeps: names and labels of nodes, saved runs and circuits. One SQLite file.

Promises: what a method returned from is on disk, a process killed at any moment leaves everything
that was kept before, and threads and processes may share a file. Each call opens the file for
itself, so there is nothing to close. Knows no model: nodes are names, models are fingerprints, and
what a saved run does is a string that the app understands.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unembed.errors import BusyError, InputError, LoadError
from unembed.node_labels import Label, NodeLabelScore, Source, best_first
from unembed.saved_circuits import CircuitEntry, SavedCircuit, imported_circuit, said_of
from unembed.saved_runs import FORMAT, MAX_SHORT, RunEntry, SavedRun, imported_run, not_there
from unembed.settings import Settings

BUSY_SECONDS = 10.0
_TABLES = """
CREATE TABLE names (
    fingerprint TEXT NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (fingerprint, node)
) WITHOUT ROWID;
CREATE TABLE runs (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    note TEXT NOT NULL, saved TEXT NOT NULL, summary TEXT NOT NULL, model TEXT NOT NULL,
    fingerprint TEXT NOT NULL, spec TEXT NOT NULL
);
"""
_LABELS = """
CREATE TABLE labels (
    fingerprint TEXT NOT NULL, node TEXT NOT NULL, source TEXT NOT NULL, text TEXT NOT NULL,
    by TEXT NOT NULL, corpus TEXT NOT NULL, made TEXT NOT NULL, supported INTEGER,
    scores TEXT NOT NULL, PRIMARY KEY (fingerprint, node, source)
) WITHOUT ROWID
"""  # since version 2
_CIRCUITS = """
CREATE TABLE circuits (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    note TEXT NOT NULL, saved TEXT NOT NULL, model TEXT NOT NULL, fingerprint TEXT NOT NULL,
    prompt TEXT NOT NULL, objective TEXT NOT NULL, n_kept INTEGER NOT NULL, faithfulness REAL,
    corrupted TEXT NOT NULL, spec TEXT NOT NULL, circuit TEXT NOT NULL
)
"""  # since version 3
_STEPS = (_TABLES.split(";"), (_LABELS,), (_CIRCUITS,))  # from an empty file, and between versions
SCHEMA = len(_STEPS)  # of the file


@dataclass(frozen=True)
class NodeName:
    """A node's own name and note."""

    node: str
    name: str
    note: str = ""


_ENTRY = ", ".join(field.name for field in fields(RunEntry))
_SAVED = ", ".join(field.name for field in fields(SavedRun))
_MARKS = ", ".join(f":{field.name}" for field in fields(SavedRun))
_CIRCUIT_ENTRY = ", ".join(field.name for field in fields(CircuitEntry))
_CIRCUIT = ", ".join(field.name for field in fields(SavedCircuit))
_CIRCUIT_MARKS = ", ".join(f":{field.name}" for field in fields(SavedCircuit))
_LONG = ("note", "summary", "spec", "corrupted")
_OF_CIRCUIT = ("n_kept", "faithfulness", "circuit")  # which were checked with the circuit
_NO_TEXT = ("supported", "scores")


class Workspace:
    """The names and saved runs in one file, which is made when first written.

    Args:
        path: the file; None is what the settings say (`workspace_path`).
        settings: the limits in force; None reads the environment.

    Every method raises LoadError where the file cannot be used, with the reason, and BusyError
    where another process has been writing for ten seconds.
    """

    def __init__(self, path: str | Path | None = None, settings: Settings | None = None) -> None:
        settings = Settings.from_environment() if settings is None else settings
        self.path = settings.workspace_file() if path is None else Path(path).expanduser()
        self._max_chars = settings.max_saved_chars

    # ------------------------------------------------------------ names

    def names(self, fingerprint: str) -> tuple[NodeName, ...]:
        """The names given to nodes of one model, by node."""
        found = self._read(
            "SELECT node, name, note FROM names WHERE fingerprint = ? ORDER BY node", fingerprint
        )
        return tuple(NodeName(*row) for row in found)

    def set_name(self, fingerprint: str, node: str, name: str, note: str = "") -> None:
        """Give a node a name and a note, in place of the former; two empty ones forget it."""
        if not name and not note:
            self.delete_name(fingerprint, node)
            return
        row = {"fingerprint": fingerprint, "node": node, "name": name, "note": note}
        self._check(row, needed=("fingerprint", "node"))
        self._write("INSERT OR REPLACE INTO names VALUES (:fingerprint, :node, :name, :note)", row)

    def delete_name(self, fingerprint: str, node: str) -> None:
        """Forget a node's name and note; nothing happens where it has none."""
        self._write(
            "DELETE FROM names WHERE fingerprint = :fingerprint AND node = :node",
            {"fingerprint": fingerprint, "node": node},
        )

    # ------------------------------------------------------------ labels

    def labels(self, fingerprint: str) -> tuple[Label, ...]:
        """The labels of nodes of one model, or autoencoder, by node; the one that is shown first.

        `explanations.labels.Labels` knows which fingerprints a model has.
        """
        rows = self._read(
            "SELECT node, text, source, by, corpus, made, supported, scores FROM labels "
            "WHERE fingerprint = ?",
            fingerprint,
        )
        return best_first(_label(row) for row in rows)

    def keep_labels(self, fingerprint: str, labels: Sequence[Label]) -> None:
        """Keep labels, each in place of the node's former one of the same source: all, or none."""
        rows = []
        for one in labels:
            row = asdict(one) | {"fingerprint": fingerprint}
            texts = {name: text for name, text in row.items() if name not in _NO_TEXT}
            self._check(texts, needed=("fingerprint", "node", "text"))
            supported = None if one.supported is None else int(one.supported)
            rows.append(row | {"supported": supported, "scores": json.dumps(row["scores"])})
        if rows:
            self._write(
                "INSERT OR REPLACE INTO labels VALUES (:fingerprint, :node, :source, :text, :by, "
                ":corpus, :made, :supported, :scores)",
                *rows,
            )

    def delete_label(self, fingerprint: str, node: str, source: Source) -> bool:
        """Forget a label; whether there was one."""
        row = {"fingerprint": fingerprint, "node": node, "source": source}
        return (
            self._write(
                "DELETE FROM labels WHERE fingerprint = :fingerprint AND node = :node "
                "AND source = :source",
                row,
            )
            > 0
        )

    # ------------------------------------------------------------ runs

    def save_run(
        self,
        name: str,
        note: str,
        spec: str,
        *,
        summary: str = "",
        model: str = "",
        fingerprint: str = "",
    ) -> str:
        """Keep a run; returns its id."""
        saved = datetime.now(UTC).isoformat(timespec="seconds")
        run_id = secrets.token_hex(8)
        self._keep(SavedRun(run_id, name, note, saved, summary, model, fingerprint, spec))
        return run_id

    def list_runs(self) -> tuple[RunEntry, ...]:
        """Saved runs of all models, the one kept last first."""
        return tuple(
            RunEntry(*row) for row in self._read(f"SELECT {_ENTRY} FROM runs ORDER BY place DESC")
        )

    def run(self, run_id: str) -> SavedRun:
        """A saved run. Raises InputError where there is none of this id."""
        found = self._find(run_id)
        if found is None:
            raise not_there("run", run_id)
        return found

    def delete_run(self, run_id: str) -> None:
        """Delete a saved run. Raises InputError where there is none of this id."""
        if self._write("DELETE FROM runs WHERE id = :id", {"id": run_id}) == 0:
            raise not_there("run", run_id)

    def export_run(self, run_id: str) -> dict[str, Any]:
        """A saved run as plain data, for a JSON file."""
        return {"unembed": FORMAT, **asdict(self.run(run_id))}

    def import_run(self, data: Mapping[str, Any]) -> str:
        """Keep what `export_run` gave, here or elsewhere; returns its id.

        A run that is here already is not kept twice; an id that another run has is replaced.
        Raises InputError, naming the field, for anything that is no exported run.
        """
        run = imported_run(data)
        if self._find(run.id) is None and self._keep(run):
            return run.id
        if self._find(run.id) == run:
            return run.id
        other = replace(run, id=secrets.token_hex(8))
        self._keep(other)
        return other.id

    def _find(self, run_id: str) -> SavedRun | None:
        rows = self._read(f"SELECT {_SAVED} FROM runs WHERE id = ?", run_id)
        return SavedRun(*rows[0]) if rows else None

    def _keep(self, run: SavedRun) -> bool:
        """Whether there was no run of this id."""
        row = asdict(run)
        self._check(row, needed=("id", "name", "spec"))
        return self._write(f"INSERT OR IGNORE INTO runs ({_SAVED}) VALUES ({_MARKS})", row) > 0

    # ------------------------------------------------------------ circuits

    def save_circuit(
        self,
        name: str,
        circuit: Mapping[str, Any],
        *,
        note: str = "",
        corrupted: str = "",
        spec: str = "",
    ) -> str:
        """Keep a circuit, as `Circuit.to_dict` has it; returns its id.

        Args:
            corrupted: the other prompt, which the circuit does not say.
        """
        said, stated = said_of(circuit), circuit.get("provenance")
        of = stated if isinstance(stated, Mapping) else {}
        saved = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"id": secrets.token_hex(8), "name": name, "note": note, "saved": saved}
        row |= {key: str(of.get(key) or "") for key in ("model", "fingerprint")}
        self._keep_circuit(row | {"corrupted": corrupted, "spec": spec} | said)
        return row["id"]

    def list_circuits(self) -> tuple[CircuitEntry, ...]:
        """Saved circuits of all models, the one kept last first."""
        found = self._read(f"SELECT {_CIRCUIT_ENTRY} FROM circuits ORDER BY place DESC")
        return tuple(CircuitEntry(*row) for row in found)

    def circuit(self, circuit_id: str) -> SavedCircuit:
        """A saved circuit. Raises InputError where there is none of this id."""
        rows = self._read(f"SELECT {_CIRCUIT} FROM circuits WHERE id = ?", circuit_id)
        if not rows:
            raise not_there("circuit", circuit_id)
        *texts, circuit = rows[0]
        return SavedCircuit(*(*texts, json.loads(circuit)))

    def rename_circuit(self, circuit_id: str, name: str, note: str = "") -> None:
        """Another name and note. Raises InputError where there is none of this id."""
        row = {"id": circuit_id, "name": name, "note": note}
        self._check(row, needed=("id", "name"))
        if self._write("UPDATE circuits SET name = :name, note = :note WHERE id = :id", row) == 0:
            raise not_there("circuit", circuit_id)

    def delete_circuit(self, circuit_id: str) -> None:
        """Delete a saved circuit. Raises InputError where there is none of this id."""
        if self._write("DELETE FROM circuits WHERE id = :id", {"id": circuit_id}) == 0:
            raise not_there("circuit", circuit_id)

    def export_circuit(self, circuit_id: str) -> dict[str, Any]:
        """A saved circuit as plain data, for a JSON file."""
        return {"unembed": FORMAT, **asdict(self.circuit(circuit_id))}

    def import_circuit(self, data: Mapping[str, Any]) -> str:
        """Keep what `export_circuit` gave; returns its id, another where that is taken.

        Raises InputError, naming the field, for anything that is no exported circuit.
        """
        row = imported_circuit(data)
        if not self._keep_circuit(row):
            if asdict(self.circuit(row["id"])) == row | {"circuit": json.loads(row["circuit"])}:
                return str(row["id"])
            row["id"] = secrets.token_hex(8)
            self._keep_circuit(row)
        return str(row["id"])

    def _keep_circuit(self, row: Mapping[str, Any]) -> bool:
        """Whether there was no circuit of this id."""
        texts = {key: text for key, text in row.items() if key not in _OF_CIRCUIT}
        self._check(texts, needed=("id", "name"))
        query = f"INSERT OR IGNORE INTO circuits ({_CIRCUIT}) VALUES ({_CIRCUIT_MARKS})"
        return self._write(query, row) > 0

    def _check(self, row: Mapping[str, str], needed: tuple[str, ...]) -> None:
        """Raise InputError for texts that are missing, too long, or no text."""
        for field, text in row.items():
            limit = self._max_chars if field in _LONG else MAX_SHORT
            if not isinstance(text, str) or (not text and field in needed):
                legal = f"a text of 1 to {limit:,} characters"
                raise InputError(f"{field} must be {legal}", field=field, value=text, legal=legal)
            if len(text) > limit:
                legal = f"at most {limit:,} characters"
                message = f"{field} has {len(text):,} characters; {legal} are kept"
                raise InputError(message, field=field, value=len(text), legal=legal)

    # ------------------------------------------------------------ the file

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        if not self.path.exists():
            return []
        with self._opened() as file:
            return file.execute(query, values).fetchall()

    def _write(self, query: str, *rows: Mapping[str, Any]) -> int:
        """Returns how many rows changed: all of them, or none."""
        with self._opened() as file, file:
            return file.executemany(query, rows).rowcount

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as file:
                _prepare(file)
                yield file
        except UnicodeEncodeError as error:
            message = "a text holds half of a character (a lone surrogate)"
            raise InputError(message, legal="whole characters") from error
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> LoadError | BusyError:
        if "locked" in str(error) or "busy" in str(error):
            return BusyError(f"another process has been writing to {self.path} for too long")
        why = error.strerror if isinstance(error, OSError) else error
        return LoadError(
            f"{self.path} cannot be used as the workspace: {why}; nothing in it was changed",
            field="workspace_path",
            value=str(self.path),
            fix="set UNEMBED_WORKSPACE_PATH to another file, or move this one away",
        )


def _prepare(file: sqlite3.Connection) -> None:
    """A new file gets its tables; one from a newer version is refused."""
    file.execute("PRAGMA synchronous = FULL")
    version = _version(file)
    if version > SCHEMA:
        raise sqlite3.DatabaseError(
            f"it was written by a newer version of Unembed (format {version}, this one reads "
            f"{SCHEMA})"
        )
    if version == 0:
        _write_ahead(file)
    if version < SCHEMA:
        with file:
            file.execute("BEGIN IMMEDIATE")
            for step in _STEPS[_version(file) :]:  # others may have made some meanwhile
                for statement in step:
                    file.execute(statement)
            file.execute(f"PRAGMA user_version = {SCHEMA}")


def _label(row: tuple[Any, ...]) -> Label:
    node, text, source, by, corpus, made, supported, scores = row
    found = tuple(NodeLabelScore(**one) for one in json.loads(scores))
    known = None if supported is None else bool(supported)
    return Label(node, text, source, by, corpus, made, known, found)


def _version(file: sqlite3.Connection) -> int:
    return int(file.execute("PRAGMA user_version").fetchone()[0])


def _write_ahead(file: sqlite3.Connection) -> None:
    """Readers and a writer at once. Where two make the file, SQLite does not wait: try again."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
