"""Numbers that left the range of their type: by an edit, or without one by the type itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from unembed.errors import CapabilityError, UnembedError
from unembed.questions.experiment import Experiment, Request


@contextmanager
def blamed_rightly(asked: Request) -> Iterator[None]:
    """Where nothing was edited, an overflow is not the edits' but the precision's."""
    try:
        yield
    except UnembedError as error:
        edited = not isinstance(asked, Experiment) or any(edit.enabled for edit in asked.edits)
        if edited or "not finite" not in error.message:
            raise
        raise CapabilityError(
            "the model's own numbers leave the range of the type that it was loaded in: the result "
            "is not finite",
            field="dtype",
            legal="bfloat16, float32 or float64",
            fix="load the model with --dtype bfloat16 or --dtype float32",
        ) from error
