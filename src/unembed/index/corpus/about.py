"""What a corpus is of: the part that decides its rows, and what is whole of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from unembed.errors import InputError
from unembed.index.corpus.files import Source
from unembed.index.corpus.options import Split, State
from unembed.result import Columns, Result

FORMAT = 1  # raise it when a change makes stored numbers or columns mean something else
# Beside its vectors a token keeps numbers (packed) and labels (by dictionary), and its text.
BYTES_BESIDE = 40


@dataclass(frozen=True)
class CorpusPlan:
    """What the rows of a corpus are: tokens of sentences. Vectors are added to it, site by site."""

    fingerprint: str
    model: str
    name: str
    files: tuple[Source, ...]
    split: Split
    max_tokens: int
    spacy: str  # the pipeline with its version; "" without one
    column: str
    metadata: tuple[str, ...] = ()  # there was none in what was built before
    expected_tokens: int = 0
    format: int = FORMAT

    @property
    def expected_bytes(self) -> int:
        """About what its rows take on disk, without vectors."""
        return BYTES_BESIDE * self.expected_tokens

    def __eq__(self, other: object) -> bool:
        """Whether both have the same rows; a model may be called differently each time."""
        return isinstance(other, CorpusPlan) and self._rows() == other._rows()

    def __hash__(self) -> int:
        return hash(tuple(self._rows().values()))

    def _rows(self) -> dict[str, Any]:
        without = ("model", "expected_tokens")
        return {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name not in without
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CorpusPlan:
        """Read back from JSON; raises KeyError, TypeError or ValueError where it is not one."""
        known = {"metadata": ()} | dict(data)
        values = {name: known[name] for name in cls.__dataclass_fields__}
        files = tuple(Source(**one) for one in data["files"])
        return cls(**values | {"files": files, "metadata": tuple(known["metadata"])})


@dataclass(frozen=True)
class Site:
    """One table of vectors: those of a site in a layer."""

    layer: int
    site: str  # "resid_post", "resid_pre" or "z"
    width: int
    heads: int  # 1, or of z how many: each has a length of its own

    @property
    def name(self) -> str:
        """As everywhere: "L6.resid_post"."""
        return f"L{self.layer}.{self.site}"

    @property
    def bytes_each(self) -> int:
        """Of one token: half precision, lengths apart, and the row's number."""
        return 2 * self.width + 4 * self.heads + 8

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Site:
        """Read back from JSON."""
        return cls(int(data["layer"]), str(data["site"]), int(data["width"]), int(data["heads"]))


@dataclass(frozen=True)
class ListsAbout:
    """Lists of like vectors of one site: what a search by them looks at and finds, as measured."""

    rows: int  # that are in lists, or special: the first ones
    lists: int
    probes: int  # lists that a search looks at
    share: float  # of all rows that it looks at, in the mean
    recalls: tuple[tuple[int, float], ...]  # (k, part of the k nearest tokens that it finds)

    def recall(self, wanted: int) -> float | None:
        """At the next depth that was measured; None: it was not for so many."""
        return next((found for depth, found in self.recalls if depth >= wanted), None)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ListsAbout:
        """Read back from JSON."""
        recalls = tuple((int(k), float(found)) for k, found in data["recalls"])
        rows, lists, probes = (int(data[name]) for name in ("rows", "lists", "probes"))
        return cls(rows, lists, probes, float(data["share"]), recalls)


@dataclass(frozen=True, repr=False)
class CorpusAbout(Result):
    """One corpus on disk: what it holds and where it came from."""

    name: str
    fingerprint: str
    model: str
    files: Annotated[tuple[str, ...], "The files that it was read from."]
    split: Split
    spacy: Annotated[str, "The pipeline that labels come from, with versions; empty: none."]
    metadata: Annotated[tuple[str, ...], "Fields of records that are kept beside their texts."]
    sites: Annotated[tuple[str, ...], "Whose vectors are kept: L6.resid_post, L6.z."]
    n_sentences: int
    n_tokens: Annotated[int, "Special tokens are among them."]
    n_cut: Annotated[int, "Parts of sentences that were longer than max_tokens."]
    n_unread: Annotated[int, "Sentences that the model's tokenizer does not read."]
    bytes: Annotated[int, "On disk, and in object storage."]
    made: Annotated[str, "When, ISO 8601, UTC."]
    versions: Mapping[str, str]
    tables: Annotated[str | None, "The URI below which its vectors stand; null: in its folder."]

    def summary(self) -> str:
        apart = "" if self.tables is None else f", vectors in {self.tables}"
        return (
            f"{self.name}: {self.n_tokens:,} tokens of {self.model}, {', '.join(self.sites)}{apart}"
        )

    def columns(self) -> Columns:
        """One row for each site."""
        return {"site": list(self.sites)}


@dataclass(frozen=True)
class Counts:
    """How much there is of a corpus."""

    sentences: int
    tokens: int
    cut: int
    unread: int


def facts_of(
    sites: tuple[Site, ...],
    counts: Counts,
    versions: Mapping[str, str],
    lists: Mapping[str, ListsAbout],
    examples: Any = None,
    apart: Mapping[str, int] | None = None,
    tables: str | None = None,
) -> Any:
    """What about.json says beside the plan; `lists` of sites by name, `examples` as it was, `apart`
    the bytes of each table that stands in object storage, below the URI `tables`.
    """
    return {
        "sites": [asdict(site) for site in sites],
        "counts": asdict(counts),
        "versions": dict(versions),
        "lists": {name: asdict(one) for name, one in lists.items()},
        "examples": examples,
        "apart": dict(apart or {}),
        "tables": tables,
    }


def about_from(plan: CorpusPlan, size: int, facts: Mapping[str, Any]) -> CorpusAbout:
    """What a corpus says of itself; raises KeyError, TypeError or ValueError. `size` is that of its
    folder.
    """
    apart = sum(int(one) for one in facts.get("apart", {}).values())
    counts = Counts(**{name: int(count) for name, count in facts["counts"].items()})
    return CorpusAbout(
        name=plan.name,
        fingerprint=plan.fingerprint,
        model=plan.model,
        files=tuple(source.name for source in plan.files),
        split=plan.split,
        spacy=plan.spacy,
        metadata=plan.metadata,
        sites=tuple(site.name for site in sites_of(facts)),
        n_sentences=counts.sentences,
        n_tokens=counts.tokens,
        n_cut=counts.cut,
        n_unread=counts.unread,
        bytes=size + apart,
        made=str(facts["made"]),
        versions=dict(facts["versions"]),
        tables=facts.get("tables"),
    )


def sites_of(facts: Mapping[str, Any]) -> tuple[Site, ...]:
    """The tables of vectors that about.json names."""
    return tuple(Site.from_dict(one) for one in facts["sites"])


def lists_of(facts: Mapping[str, Any]) -> dict[str, ListsAbout]:
    """The lists that about.json names, by site; none in one that was written before there were."""
    return {str(name): ListsAbout.from_dict(one) for name, one in facts.get("lists", {}).items()}


def checked_name(name: str) -> str:
    """The name of a corpus, which is a folder's; raises InputError."""
    legal = "1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first"
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", name, re.A) is None:
        raise InputError(
            f"name is {name!r}; it must be {legal}", field="name", value=name, legal=legal
        )
    return name


def state_of(sites: tuple[Site, ...]) -> State | None:
    """The side of the layers that hidden states are kept of."""
    found: dict[str, State] = {"resid_post": "resid_post", "resid_pre": "resid_pre"}
    return next((found[site.site] for site in sites if site.site in found), None)
