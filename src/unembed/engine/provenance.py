"""What a model is called and where numbers come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

from unembed.models.fingerprint import State, Watched

Kind = Literal["causal", "masked"]


@dataclass(frozen=True)
class Identity:
    """What a model is and where it came from."""

    name: str
    kind: Kind
    watched: Watched
    revision: str | None = None
    licence: str | None = None
    # what `load` was told, but for the device: another process loads the same. None: a module
    origin: Mapping[str, Any] | None = None


class Provenance(Mapping[str, str]):
    """Where numbers come from, in words.

    The fingerprint among them is that of the model at the time; where it is not known yet, it is
    computed when it is asked for.
    """

    def __init__(self, state: State, stated: Mapping[str, str]) -> None:
        self.state = state
        self._stated = {"model": stated["model"], "fingerprint": "", **stated}

    def __getitem__(self, name: str) -> str:
        if name == "fingerprint" and not self._stated[name]:
            self._stated[name] = self.state.fingerprint  # said once, it stays, whatever comes later
        return self._stated[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stated)

    def __len__(self) -> int:
        return len(self._stated)

    def __repr__(self) -> str:
        known = self._stated["fingerprint"] or self.state.known or "not computed yet"
        return repr({**self._stated, "fingerprint": known})

    def __reduce__(self) -> tuple[type, tuple[dict[str, str]]]:
        return dict, (dict(self),)  # a copy is of the words


@cache
def versions() -> Mapping[str, str]:
    """Looking a version up reads files: once."""
    return {package: version(package) for package in ("unembed", "torch", "transformers")}
