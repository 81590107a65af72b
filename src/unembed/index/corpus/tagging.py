"""Sentences and words of pieces of text: from spaCy, in a process beside, or by plain rules.

Both are asked for the next pieces before the last ones were used, so that spaCy works while the
model does. Knows no model.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import IO, Any, Protocol, cast

from unembed.errors import InputError, LoadError
from unembed.index.corpus.pieces import Piece, Word

_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[”’」』）]*")
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Sentence:
    """A sentence within its piece; places of words are counted from the start of the piece."""

    start: int
    end: int
    words: tuple[Word, ...]


class Tagger(Protocol):
    """What finds sentences and words. Of what was submitted, the result is taken once."""

    name: str  # with its version, as an index says what it was made with
    ready_in: float  # seconds that it took to begin

    def submit(self, pieces: Sequence[Piece], whole: bool) -> None:
        """Begin with pieces, each of them a sentence if `whole`."""

    def result(self) -> list[list[Sentence]]:
        """The sentences of each piece that was submitted last."""

    def close(self) -> None:
        """End what runs."""


def pipelines() -> tuple[str, ...]:
    """The pipelines of spaCy that are installed, found without importing any of it."""
    if find_spec("spacy") is None:
        return ()
    return tuple(sorted({one.name for one in entry_points(group="spacy_models")}))


def tagger(pipeline: str | None) -> Tagger:
    """Raises InputError where spaCy or the pipeline is not installed."""
    return PlainTagger() if pipeline is None else SpacyTagger(pipeline)


class PlainTagger:
    """Sentences up to a full stop, words as runs of letters, no labels."""

    name = ""
    ready_in = 0.0

    def __init__(self) -> None:
        self._made: list[list[Sentence]] = []

    def submit(self, pieces: Sequence[Piece], whole: bool) -> None:
        self._made = [_given(piece) or _plain(piece.text, whole) for piece in pieces]

    def result(self) -> list[list[Sentence]]:
        return self._made

    def close(self) -> None:
        pass


def _given(piece: Piece) -> list[Sentence] | None:
    """The sentence of a piece whose words are known."""
    return None if piece.words is None else [Sentence(0, len(piece.text), piece.words)]


def _plain(text: str, whole: bool) -> list[Sentence]:
    ends = [] if whole else [match.end() for match in _END.finditer(text)]
    found = []
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        words = tuple(Word(*match.span()) for match in _WORD.finditer(text, start, end))
        if words:
            found.append(Sentence(words[0].start, words[-1].end, words))
    return found


class SpacyTagger:
    """A pipeline of spaCy in a process of its own (`tagger.py`)."""

    def __init__(self, pipeline: str) -> None:
        self._pieces: Sequence[Piece] = ()
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "unembed.index.corpus.tagger", pipeline],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        )
        self._questions = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        said = self._answer()
        if "error" in said:
            self.close()
            raise InputError(
                said["error"],
                field="spacy",
                value=pipeline,
                legal=said.get("legal"),
                fix=said.get("fix"),
            )
        self.name: str = said["ready"]
        self.ready_in = time.perf_counter() - start

    def submit(self, pieces: Sequence[Piece], whole: bool) -> None:
        self._pieces = pieces
        texts = [piece.text for piece in pieces if piece.words is None]
        try:
            self._questions.write(json.dumps({"texts": texts, "whole": whole}) + "\n")
            self._questions.flush()
        except OSError as error:
            raise self._died() from error

    def result(self) -> list[list[Sentence]]:
        answer = self._answer()
        if isinstance(answer, dict):
            raise self._failed(answer["error"])
        answers = iter(answer)
        return [
            _given(piece) or [_sentence(one) for one in next(answers)] for piece in self._pieces
        ]

    def close(self) -> None:
        self._process.kill()
        with self._process:
            pass

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise self._died()
        return json.loads(line)

    def _failed(self, why: str) -> LoadError:
        return LoadError(
            f"{self.name} failed: {why}; what was finished is kept, and the same command goes on "
            "after it",
            field="spacy",
            value=self.name,
            fix="repair the component of the pipeline, or leave spacy out",
        )

    def _died(self) -> LoadError:
        status = self._process.poll()
        return LoadError(
            f"the process that runs spaCy ended (status {status}); what was finished is kept, and "
            "the same command goes on after it",
            field="spacy",
            value=status,
            fix="try again; if it ends again, leave spacy out, or use a smaller pipeline",
        )


def _sentence(data: dict[str, Any]) -> Sentence:
    words = tuple(
        Word(start, end, pos, tag, dep, entity, lemma, head)
        for start, end, pos, tag, dep, entity, lemma, head in data["words"]
    )
    return Sentence(data["start"], data["end"], words)
