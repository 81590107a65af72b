"""Attaches the autoencoders that were typed with `--sae`, and says what was decided of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from unembed.errors import UnembedError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from unembed.engine.model import Model


def attach(model: Model, saes: Sequence[str], progress: Progress) -> None:
    """Attach autoencoders as they are typed: "SOURCE", "SOURCE@SITE". Raises LoadError."""
    from unembed.latents.load import load_sae

    for order, text in enumerate(saes):
        source, site = source_and_site(text)
        progress(f"holding {source} against it", order, len(saes))
        with naming_source(source):
            model.attach(load_sae(source, site, settings=model.settings))


_SITE = r"L[0-9]+\.[a-z_]+|embed"
_SOURCE_AT_SITE = re.compile(rf"(.+)@((?:{_SITE})(?:>(?:{_SITE}))?)")


def source_and_site(text: str) -> tuple[str, str | None]:
    """What is before and after the @ of "folder@L9.mlp_in>L9.mlp_out"; paths may have an @ too."""
    match = _SOURCE_AT_SITE.fullmatch(text)
    return (text, None) if match is None else (match[1], match[2])


@contextmanager
def naming_source(source: str) -> Iterator[None]:
    """What is refused inside is said of this source, with the fix as it is typed."""
    try:
        yield
    except UnembedError as error:
        error.field = "--sae"
        if source not in error.message:
            error.message = f"{source}: {error.message}"
        asked = re.fullmatch(r'ue\.load_sae\(source, site="(.+)"\)', error.fix or "")
        if asked is not None:
            error.fix = f'--sae "{source}@{asked[1]}"'
        raise


def say_attached(model: Model, console: Console) -> None:
    """What is attached, one line each, and what is doubtful of it."""
    from unembed.latents.sae import what_is_attached

    for one in what_is_attached(model):
        for sentence in (f"Attached: {one.summary()}.", *(f"Note: {say}." for say in one.doubts)):
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)
