"""How the training of an autoencoder went. Knows no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from unembed.result import TABLE_ROW, Axes, Columns, Result, columns_of


@dataclass(frozen=True)
class Losses:
    """The mean loss of the next token, in nats, with what takes the site's place at every token
    that counts."""

    clean: Annotated[float, "The site as it is."]
    spliced: Annotated[float, "What the autoencoder makes of it, without its error."]
    zero: Annotated[float, "Zero."]
    mean: Annotated[float, "The mean over tokens."]

    @property
    def kept(self) -> float:
        """The part of what ablation to zero costs that the autoencoder keeps; 1 is all."""
        cost = self.zero - self.clean
        return (self.zero - self.spliced) / cost if cost else float("nan")


@dataclass(frozen=True)
class Measured:
    """What a checkpoint measured, on tokens that nothing was learnt from."""

    n_tokens: Annotated[int, "Learnt from so far."]
    explained: Annotated[float, "1 - |y - reconstruction|² / |y - mean y|²."]
    active: Annotated[float, "How many latents are not 0 at a token, in the mean (L0)."]
    dead: Annotated[int, "Latents that were 0 at the last `dead_after` tokens."]
    losses: Annotated[Losses | None, "Of a model that predicts the next token."]

    def words(self) -> str:
        """In a phrase."""
        return f"{self.explained:.1%} explained, {self.active:.1f} active, {self.dead:,} dead"


@dataclass(frozen=True, eq=False, repr=False)
class SaeTraining(Result):
    """An autoencoder that was trained, and how it went: `ue.load_sae(found.folder)` reads it."""

    folder: str
    sae: Annotated[str, "What it is, in words."]
    site: str
    model: str
    texts: Annotated[str, "What it learnt from."]
    n_tokens: Annotated[int, "Learnt from; one that was used again counts again."]
    n_held_out: Annotated[int, "Tokens that the measures are of."]
    n_latents: int
    history: Annotated[tuple[Measured, ...], "At each checkpoint; the last is what came out."]

    axes: ClassVar[Axes] = {"explained": (TABLE_ROW,), "active": (TABLE_ROW,)}

    @property
    def last(self) -> Measured:
        """What came out."""
        return self.history[-1]

    def summary(self) -> str:
        return f"{self.sae}, from {self.n_tokens:,} tokens: {self.last.words()}"

    def columns(self) -> Columns:
        """One row for each checkpoint."""
        return columns_of(_row(one) for one in self.history)


def _row(one: Measured) -> dict[str, float | int | None]:
    losses = one.losses
    every = dict.fromkeys(Losses.__dataclass_fields__) if losses is None else asdict(losses)
    whole = {"n_tokens": one.n_tokens, "explained": one.explained, "active": one.active}
    return whole | {"dead": one.dead} | {f"loss_{name}": value for name, value in every.items()}
