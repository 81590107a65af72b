"""What can be asked of the training of autoencoders. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from unembed.errors import InputError
from unembed.options import Name, option
from unembed.questions.experiment import JobName, Request, refuse
from unembed.questions.requests import FileName
from unembed.training.options import TrainOptions

_Files = Annotated[list[FileName], Field(max_length=10_000)]


class FromTexts(Request):
    """What is learnt from: a corpus, or files that were sent."""

    corpus: Name | None = option(
        None, "The corpus that is learnt from, by its name; absent: uploaded files."
    )
    upload: JobName | None = option(None, "The upload that the files are of.")
    files: _Files = option([], "Which of its files, in the order that they are read.")


class TrainEstimateRequest(TrainOptions, FromTexts):
    """What training an autoencoder would take."""

    site: Name = option(
        sentence="L9.mlp_out; of a transcoder what it reads and writes: L9.mlp_in>L9.mlp_out."
    )
    job: JobName | None = None

    def check(self) -> None:
        """Raises InputError unless there is one thing to learn from."""
        check_source(self)


class TrainSaeRequest(TrainEstimateRequest):
    """An autoencoder to be trained, or gone on with, on a corpus or on uploaded files."""

    name: Name = option(sentence="What it is called: letters, digits, dots and dashes.")


class ResumeSaeRequest(FromTexts):
    """A training that was stopped, to be gone on with: all else is as it was begun."""

    name: Name = option(sentence="What it is called.")
    job: JobName | None = None


class SaeNameRequest(Request):
    """An autoencoder that was trained here."""

    name: Name = option(sentence="What it is called.")
    job: JobName | None = None


class DetachSaeRequest(Request):
    """An autoencoder that is to be taken off."""

    stem: Name = option(sentence='Its latents\' names without their number, "L9.F".')
    job: JobName | None = None


def check_source(asked: FromTexts) -> None:
    """Raises InputError unless it is a corpus, or files of an upload."""
    given = (asked.corpus is not None, asked.upload is not None, bool(asked.files))
    if given in ((True, False, False), (False, True, True)):
        return
    said = "a corpus and files" if given[0] else "neither a corpus nor files of an upload"
    message = f"{said} are to be learnt from."
    legal = "corpus; or upload and files, which POST /api/corpus/upload takes"
    refuse(InputError, message, "corpus", asked.corpus, legal)
