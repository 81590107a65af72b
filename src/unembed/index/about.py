"""What an index is of: the part that decides its numbers, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from unembed.analyses.tools.projections import ProjectionName
from unembed.result import Columns, Result

FORMAT = 1  # raise it when a change makes stored numbers or columns mean something else


@dataclass(frozen=True)
class Plan:
    """What is to be stored. Two indexes of equal plans hold the same numbers."""

    fingerprint: str
    model: str
    projection: ProjectionName
    top_k: int
    d: int
    layers: tuple[int, ...]  # those that have neurons, ascending
    widths: tuple[int, ...]  # neurons of each
    vocab_size: int
    format: int = FORMAT

    @property
    def n_vectors(self) -> int:
        return sum(self.widths)

    @property
    def expected_bytes(self) -> int:
        """About what it takes on disk: vector, two lists of tokens and scores, three numbers."""
        return self.n_vectors * (4 * self.d + 16 * self.top_k + 12) + 16 * self.vocab_size

    def matches(self, other: Plan) -> bool:
        """Whether both hold the same numbers; a model may be called differently each time."""
        return self._numbers() == other._numbers()

    def _numbers(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "model"}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read back from JSON; raises KeyError, TypeError or ValueError where it is not one."""
        plan = cls(**{name: data[name] for name in cls.__dataclass_fields__})
        lists = {"layers": tuple(map(int, plan.layers)), "widths": tuple(map(int, plan.widths))}
        return cls(**(asdict(plan) | lists))


@dataclass(frozen=True, repr=False)
class IndexAbout(Result):
    """One index on disk: what it holds and where it came from."""

    fingerprint: str
    model: str
    projection: ProjectionName
    top_k: Annotated[int, "Tokens stored at either end of each vector's list."]
    n_vectors: int
    d: Annotated[int, "Width of a vector."]
    layers: Annotated[tuple[int, ...], "Those that have neurons."]
    bytes: Annotated[int, "On disk."]
    made: Annotated[str, "When, ISO 8601, UTC."]
    versions: Mapping[str, str]

    def summary(self) -> str:
        return f"{self.n_vectors:,} vectors of {self.model}, {self.projection}"

    def columns(self) -> Columns:
        """One row."""
        names = ("model", "fingerprint", "projection", "top_k", "n_vectors", "bytes", "made")
        return {name: [getattr(self, name)] for name in names}
