"""The folder of one corpus: `<root>/<name>/`, whose versions hold sentences.lance, tokens.lance and
a table of vectors for each site, L6.resid_post.lance; of large corpora lists of them, too, in
L6.resid_post.lists.lance and L6.resid_post.centres.lance; and where they were asked for, examples
of neurons in L6.examples.lance, and of heads in L6.H.examples.lance. Tables of vectors may stand in
object storage instead, as a build is told: tables.json then says where.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from unembed.engine.model import Model
from unembed.errors import IndexMissingError, InputError, LoadError
from unembed.index.corpus.about import (
    FORMAT,
    CorpusAbout,
    CorpusPlan,
    ListsAbout,
    Site,
    about_from,
    checked_name,
    lists_of,
    sites_of,
)
from unembed.index.corpus.collected import CollectedAbout
from unembed.index.versions import ABOUT, POINTER, VersionedFolder

Said = TypeVar("Said")


class CorpusFolder(VersionedFolder[CorpusPlan, CorpusAbout]):
    """Where a corpus is kept."""

    what = "the corpus"
    field = "name"
    rebuild = "restart=True (unembed index corpus MODEL FILES --name NAME --restart)"
    kept = "what was finished is kept, and the next build goes on after it"
    format = FORMAT

    @classmethod
    def of(cls, model: Model, name: str, root: Path | str | None) -> CorpusFolder:
        """`root`/name; without a root it is the cache's, by fingerprint."""
        path = corpora_of(model, root) / checked_name(name)
        return cls(path, model.settings.storage_seconds)

    def plan_from(self, data: Mapping[str, Any]) -> CorpusPlan:
        return CorpusPlan.from_dict(data)

    def about_from(self, plan: CorpusPlan, size: int, facts: Mapping[str, Any]) -> CorpusAbout:
        return about_from(plan, size, facts)

    def sites(self, version: Path) -> tuple[Site, ...]:
        """Whose vectors a version that is published has."""
        return self._said(version, sites_of)

    def lists(self, version: Path) -> dict[str, ListsAbout]:
        """The lists of like vectors that a version that is published has, by site."""
        return self._said(version, lists_of)

    def collected(self, version: Path) -> CollectedAbout | None:
        """The examples of nodes that a version that is published keeps."""
        return self._said(version, _collected)

    def _said(self, version: Path, read: Callable[[Any], Said]) -> Said:
        try:
            return read(json.loads((version / ABOUT).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            raise self.damaged(f"{ABOUT} cannot be read") from error


def _collected(facts: Mapping[str, Any]) -> CollectedAbout | None:
    found = facts.get("examples")  # there is none in one that was written before there were
    return None if found is None else CollectedAbout.from_dict(found)


def corpora_of(model: Model, root: Path | str | None) -> Path:
    """The folder of all corpora of a model."""
    if root is None:
        return corpora_in(model.settings.cache_folder(), model)
    return _local(root).expanduser()


def _local(root: Path | str) -> Path:
    """A folder of this machine, which may be given as file:///…; raises InputError for others.

    A path would make a folder "s3:" of the rest.
    """
    scheme, there, rest = str(root).partition("://")
    if not there or isinstance(root, Path):
        return Path(root)
    if scheme != "file" or not rest.startswith("/"):
        raise InputError(
            f"corpora are kept in folders, and {str(root)!r} is none",
            field="folder",
            value=str(root),
            legal="a path, or file:///path",
            fix="name a folder of a disk; what is large can stand in object storage all the same: "
            f"tables={str(root)!r}",
        )
    return Path(unquote(rest))


def corpora_in(cache: Path, model: Model) -> Path:
    """That folder in a cache."""
    return cache / "corpora" / model.fingerprint


def names_in(root: Path) -> list[str]:
    """The corpora that are whole."""
    return sorted(path.parent.name for path in root.glob("*/current.json"))


def unfinished(root: Path) -> list[CorpusPlan]:
    """What builds that were stopped, or still run, were to make, of the corpora in a folder."""
    folders = sorted({path.parent.parent for path in root.glob("*/v-*/plan.json")})
    return [plan for folder in folders for _, plan in CorpusFolder(folder).drafts()]


def check_same(model: Model, plan: CorpusPlan, folder: CorpusFolder) -> None:
    """Raise InputError unless a corpus is of this model as it is now, to the last weight."""
    if plan.fingerprint != model.fingerprint:
        raise InputError(
            f"the corpus in {folder.path} is of another model, or of other weights, another "
            f"precision or tokenizer: of {plan.model} with fingerprint {plan.fingerprint}, and "
            f"this is {model.name} with {model.fingerprint}",
            field="folder",
            value=str(folder.path),
            legal=f"a corpus of fingerprint {model.fingerprint}",
            fix="load the model as it was (dtype, tokenizer), choose another folder, or build with "
            "restart=True, which replaces it",
        )


def missing(model: Model, name: str, root: Path) -> IndexMissingError:
    """The error where there is no such corpus: names those that there are."""
    known = ", ".join(names_in(root)) or "none yet"
    other = _of_another(model, name, root)
    return IndexMissingError(
        f"{model.name} has no corpus {name!r}{other}; there are: {known}",
        field="name",
        value=name,
        legal=known,
        fix=f"build it: unembed index corpus {model.name} FILES --name {name}",
    )


def _of_another(model: Model, name: str, root: Path) -> str:
    """That the cache has one of this name, of a model of this name in float16, say."""
    if root != corpora_of(model, None):
        return ""
    for place in sorted(root.parent.glob(f"*/{name}/{POINTER}")):
        folder = CorpusFolder(place.parent)
        with suppress(LoadError):
            if folder.read(folder.published() or place.parent)[0].model == model.name:
                return " as it is loaded, but with other weights, precision or tokenizer"
    return ""
