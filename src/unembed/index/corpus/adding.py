"""Files added to a corpus that is there: a build takes its tables over, and goes on behind them.

What is published stays as it is until the larger corpus is whole; files of tables never change
once they are written, so that both have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.index.corpus.about import CorpusPlan, Site
from unembed.index.corpus.folder import CorpusFolder, check_same, missing
from unembed.index.corpus.rows import SENTENCES, TOKENS, Rows

_SAME = ("split", "max_tokens", "spacy", "column", "metadata")


@dataclass(frozen=True)
class Base:
    """A corpus that files are added to."""

    version: Path
    plan: CorpusPlan
    sites: tuple[Site, ...]
    n_tokens: int
    n_pieces: int  # of its files: those of files that are added are counted from there

    @property
    def tables(self) -> tuple[str, ...]:
        """What is taken over: all but lists, which are of all tokens or none."""
        return SENTENCES, TOKENS, *(site.name for site in self.sites)

    def grown(self, plan: CorpusPlan) -> CorpusPlan:
        """The plan of what is there and, behind it, the files of `plan` that are new to it."""
        new = tuple(source for source in plan.files if source not in self.plan.files)
        return replace(plan, files=(*self.plan.files, *new))


def base_of(model: Model, folder: CorpusFolder, plan: CorpusPlan) -> Base:
    """The corpus that is published. Raises IndexMissingError where there is none, InputError where
    it is of another model, or its files were read otherwise.
    """
    version = folder.published()
    if version is None:
        raise missing(model, folder.path.name, folder.path.parent)
    old, about = folder.read(version)
    check_same(model, old, folder)
    for name in _SAME:
        wanted, given = getattr(old, name), getattr(plan, name)
        if wanted != given:
            raise InputError(
                f"{name} is {given!r}, and the corpus {folder.path.name!r} was read with "
                f"{wanted!r}: files that are added are read as the others were",
                field=name,
                value=given,
                legal=repr(wanted),
                fix="give the same, or build a corpus of another name",
            )
    rows = Rows(folder, version)
    return Base(version, old, folder.sites(version), about.n_tokens, rows.last_piece() + 1)


def same_sites(base: Base, asked: Sequence[Site], name: str) -> tuple[Site, ...]:
    """The sites of a corpus that files are added to; raises InputError where others are asked."""
    if set(asked) != set(base.sites):
        kept = ", ".join(site.name for site in base.sites)
        raise InputError(
            f"the corpus {name!r} keeps {kept}: of files that are added the same is kept",
            field="layers",
            value=[site.name for site in asked],
            legal=kept,
            fix="leave layers out, and give kept and state as it was built; without add, layers "
            "are added to all of it",
        )
    return base.sites
