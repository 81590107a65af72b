"""What processes of a cluster do: read stretches of text, compute vectors of tokens and write them.

What is wrong is said as data: an error that a process of Ray raises reaches nobody as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from unembed import errors
from unembed.engine.load import load
from unembed.engine.model import Model
from unembed.errors import LoadError, UnembedError
from unembed.index.corpus.about import Site
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.pieces import Piece, Word
from unembed.index.corpus.rows import TOKENS, Rows, StretchColumns, vector_columns
from unembed.index.corpus.states import vectors_of
from unembed.index.corpus.stretches import read_stretch
from unembed.index.corpus.tagging import Tagger, tagger
from unembed.index.corpus.text_reader import TextReader
from unembed.index.fragments import write_fragments
from unembed.index.store import to_arrow, to_numpy
from unembed.settings import Settings

Row = dict[str, Any]  # of Ray's: text, bytes and numbers
ANSWER, ERROR = "answer", "error"


def answered(ask: Callable[[Row], bytes], row: Row) -> Row:
    """What `ask` says of a row, or what is wrong."""
    try:
        return {ANSWER: ask(row), ERROR: ""}
    except UnembedError as error:
        return {ANSWER: b"", ERROR: said(error)}


def fetched(held: Any) -> Any:
    """What the driver put into Ray's store."""
    import ray

    return ray.get(held)


def said(error: UnembedError) -> str:
    """An error as text, for another process."""
    value = error.value if isinstance(error.value, str | int | float | None) else str(error.value)
    parts = {"field": error.field, "value": value, "legal": error.legal, "fix": error.fix}
    return json.dumps({"kind": type(error).__name__, "message": error.message, "parts": parts})


def heard(text: str) -> UnembedError:
    """The error that another process said."""
    data = json.loads(text)
    kind: type[UnembedError] = getattr(errors, data["kind"])
    return kind(data["message"], **data["parts"])


# ---------------------------------------------------------------- texts


@dataclass(frozen=True)
class Reading:
    """How texts are read."""

    reader: TextReader
    spacy: str | None
    words: str  # what the pipeline says of itself where the build was started
    whole: bool  # each piece is a sentence
    longest: int
    special: frozenset[int]


def read_row(row: Row, held: Any) -> Row:
    """Pieces of texts to the rows of their sentences and tokens; `held` is a `Reading` of Ray's."""
    return answered(lambda row: read(row["stretch"], *_at_hand(held)), row)


@lru_cache(maxsize=1)
def _at_hand(held: Any) -> tuple[Reading, Tagger]:
    """What this process reads with: a tokenizer and a pipeline take a second to come by."""
    reading: Reading = fetched(held)
    found = tagger(reading.spacy)
    if found.name != reading.words:
        found.close()
        raise LoadError(
            f"a process of the cluster has {found.name}, and the build was started with "
            f"{reading.words}: labels would be of two pipelines",
            field="spacy",
            value=found.name,
            legal=reading.words,
            fix="install the same versions on every machine",
        )
    return reading, found


def read(stretch: str, reading: Reading, words: Tagger) -> bytes:
    """The rows of a stretch, for `unpacked`; nothing where it has no sentence."""
    numbered = stretch_from(stretch)
    words.submit([piece for _, piece in numbered], reading.whole)
    found = read_stretch(reading.reader, numbered, words.result(), reading.longest)
    if not found.sentences:
        return b""
    return packed(StretchColumns.of(found, set(reading.special)))


def stretch_as_text(numbered: Sequence[tuple[int, Piece]]) -> str:
    """Pieces with their numbers, for another process."""
    return json.dumps([(number, asdict(piece)) for number, piece in numbered])


def stretch_from(text: str) -> list[tuple[int, Piece]]:
    """What `stretch_as_text` wrote."""
    return [(number, _piece(data)) for number, data in json.loads(text)]


def _piece(data: Mapping[str, Any]) -> Piece:
    words = data["words"]
    known = None if words is None else tuple(Word(**one) for one in words)
    return Piece(**{**data, "words": known})


def packed(columns: StretchColumns) -> bytes:
    """Both tables as streams of Arrow, one behind the other."""
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    for part in (columns.sentences, columns.tokens):
        table = to_arrow(part)
        with pyarrow.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return bytes(sink.getvalue())


def unpacked(data: Sequence[bytes]) -> StretchColumns:
    """The rows of several stretches that follow one another, as one."""
    import pyarrow

    sentences, tokens = [], []
    n_sentences = n_tokens = 0
    for one in data:
        source = pyarrow.BufferReader(one)
        said, read = (pyarrow.ipc.open_stream(source).read_all() for _ in range(2))
        sentences.append(_moved(said, "first", n_tokens))
        tokens.append(_moved(_moved(read, "row", n_tokens), "sentence", n_sentences))
        n_sentences, n_tokens = n_sentences + len(said), n_tokens + len(read)
    return StretchColumns(*(_columns(pyarrow.concat_tables(part)) for part in (sentences, tokens)))


def _moved(table: Any, column: str, by: int) -> Any:
    """A table whose column of numbers is larger by so many."""
    import pyarrow

    at = table.schema.get_field_index(column)
    numbers = to_numpy(table[column])
    moved = pyarrow.array(numbers + numbers.dtype.type(by))
    return table.set_column(at, table.schema.field(at), moved)


def _columns(table: Any) -> dict[str, Any]:
    return {name: table[name] for name in table.column_names}


# ---------------------------------------------------------------- vectors


@dataclass(frozen=True)
class ModelSource:
    """How a process of the cluster comes by the model of a build."""

    name: str
    fingerprint: str
    settings: Settings
    device: str  # of the process
    origin: Mapping[str, Any] | None  # what `load` is told
    held: Any = None  # where there is none, the module and its tokenizer in Ray's store

    def load(self) -> Model:
        """The same model, to the last weight. Raises LoadError where it cannot be had."""
        try:
            if self.origin is None:
                module, tokenizer = fetched(self.held)
                model = load(module.to(self.device), tokenizer, settings=self.settings)
            else:
                model = load(**self.origin, device=self.device, settings=self.settings)
        except UnembedError as error:
            raise self._not_there(error.message, error.fix) from error
        except (OSError, RuntimeError, ImportError, AttributeError) as error:
            raise self._not_there(str(error).splitlines()[0]) from error
        if model.fingerprint != self.fingerprint:
            raise self._not_there(
                f"it is {model.fingerprint} there, and {self.fingerprint} where the build was "
                "started: another model, or weights that were changed since they were loaded"
            )
        return model

    def _not_there(self, why: str, fix: str | None = None) -> LoadError:
        where = "its module" if self.origin is None else str(self.origin["source"])
        return LoadError(
            f"a process of the cluster cannot load {self.name}: {why}",
            field="model",
            value=where,
            fix=fix or "put its files where every machine of the cluster sees them, in one place",
        )


class VectorsWorker:
    """Holds the model: computes vectors of tokens that follow one another, and writes them."""

    def __init__(self, source: ModelSource, version: Path, sites: Sequence[Site]) -> None:
        self._source, self._version, self._sites = source, version, tuple(sites)

    @cached_property
    def _model(self) -> Model:
        return self._source.load()

    def __call__(self, row: Row) -> Row:
        return answered(self.answer, row)

    def answer(self, row: Row) -> bytes:
        """Sentences of `sizes` from row `first` on: what is to be committed, by site."""
        first, sizes = int(row["first"]), [int(size) for size in row["sizes"]]
        rows = Rows(CorpusFolder(self._version.parent), self._version)
        found = vectors_of(self._model, _ids(rows, first, sizes), self._sites, None)
        with rows.writing():
            written = {
                site.name: write_fragments(rows.place(site.name), vector_columns(first, *vectors))
                for site, vectors in found.items()
            }
        return json.dumps(written).encode()


def _ids(rows: Rows, first: int, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The ids of sentences of these sizes, from row `first` on."""
    held: list[int] = []
    for part in rows.stretches(TOKENS, ["id"], sum(sizes), first):
        held += to_numpy(part["id"]).tolist()
        if len(held) >= sum(sizes):
            break
    ids = iter(held)
    return [tuple(islice(ids, size)) for size in sizes]
