"""Opening corpora that are on disk, and saying which there are."""

from __future__ import annotations

from pathlib import Path

from unembed.engine.model import Model
from unembed.errors import LoadError
from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.folder import CorpusFolder, check_same, corpora_of, missing, names_in
from unembed.index.corpus.rows import Rows


def open_corpus(model: Model, name: str, *, folder: Path | str | None = None) -> Corpus:
    """A corpus of this model that `index_corpus` made.

    Raises:
        IndexMissingError: there is none of this name; the message names those that there are.
        InputError: it is of another model, or of other weights.
        LoadError: it is damaged, or its vectors stand in a bucket that cannot be reached.
    """
    return open_folder(model, CorpusFolder.of(model, name, folder))


def open_folder(model: Model, folder: CorpusFolder) -> Corpus:
    """The corpus that a folder holds; see `open_corpus`."""
    while True:
        version = folder.published()
        if version is None:
            raise missing(model, folder.path.name, folder.path.parent)
        try:
            return _opened(model, folder, version)
        except LoadError:
            if folder.published() == version:  # else another took its place meanwhile
                raise


def _opened(model: Model, folder: CorpusFolder, version: Path) -> Corpus:
    plan, about = folder.read(version)
    check_same(model, plan, folder)
    rows = Rows(folder, version)
    rows.check_apart(folder.sites(version), about.n_tokens)
    lists, collected = folder.lists(version), folder.collected(version)
    return Corpus(model, about, folder.sites(version), rows, lists, collected)


def corpora(model: Model, *, folder: Path | str | None = None) -> tuple[CorpusAbout, ...]:
    """What there is: each corpus of this model that is whole."""
    root = corpora_of(model, folder)
    found = []
    for name in names_in(root):
        place = CorpusFolder.of(model, name, folder)
        version = place.published()
        if version is not None:
            found.append(place.read(version)[1])
    return tuple(found)
