"""What evidence says of an autoencoder that was read in several ways: what contradicts its files,
what is only told, and what would fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unembed.errors import LoadError
from unembed.latents.description import Description

NEARLY = 0.001  # what is not explained of a reading that nothing contradicts
FLOOR = 0.2  # less explained variance than this is no autoencoder of the site
BETTER = 0.7  # a reading that leaves this share of what is unexplained contradicts the file
RATHER = 0.97  # and one that leaves this share of it is told
ELSEWHERE = 0.5  # as BETTER, of other places, whose activations differ in how much there is to say
SOME, FEWER = 192, 96  # tokens that other readings, and other places, are tried on
MANY_TIMES, SOME_TIMES = 4.0, 2.0  # how far the number of active latents may be from what is said
NOT_TAKEN, TAKEN = "with b_dec not taken off", "with b_dec taken off"
_FIXES = {
    NOT_TAKEN: "ue.load_sae(source, subtract_bias=False)",
    TAKEN: "ue.load_sae(source, subtract_bias=True)",
}


@dataclass(frozen=True)
class Reading:
    """How well an autoencoder does, read in one way.

    Args:
        explained: 1 - |y - reconstruction|² / |y - mean of y|², over all tokens.
        active: how many latents are not 0 at a token, in the mean (L0).
    """

    words: str
    explained: float
    active: float

    @property
    def left(self) -> float:
        """The share of the variance that is not explained."""
        return 1 - self.explained


Refused = Callable[[str, Reading | None], LoadError]


def share(one: Reading) -> str:
    return f"{one.explained:.1%}" if one.explained > 0 else "nothing"


def judged(base: Reading, others: Sequence[Reading], where: str, refused: Refused) -> list[str]:
    """What other readings would explain beyond `base`; raises where one contradicts the files.

    Other places ("at ...") are not told: see `judged_places`.
    """
    if base.left < NEARLY:
        return []
    best = min(others, key=lambda one: one.left, default=base)
    if best.explained > FLOOR and best.left < BETTER * base.left:
        raise refused(
            f"read as its files say it explains {share(base)} of {where}, and "
            f"{share(best)} {best.words}",
            best,
        )
    return [
        f"{one.words} it would explain {share(one)}, as it is read {share(base)}"
        for one in others
        if one.left < RATHER * base.left and not one.words.startswith("at ")
    ]


def judged_places(
    base: Reading,
    here: Reading,
    found: Sequence[Reading],
    where: str,
    n_tokens: int,
    refused: Refused,
) -> list[str]:
    """What speaks for other places; raises where one is what was meant.

    Args:
        here: as read, on the `n_tokens` tokens that other places, `found`, were tried on.
    """
    best = min(found, key=lambda one: one.left, default=here)
    if base.explained < FLOOR or (here.left > NEARLY and best.left < ELSEWHERE * here.left):
        fits = best.explained > FLOOR and best.left < ELSEWHERE * here.left
        rather = f", and {share(best)} {best.words}" if fits else ""
        raise refused(f"it explains {share(base)} of {where}{rather}", best if fits else None)
    return [
        f"{one.words} it would explain {share(one)} on {n_tokens} tokens, at {where} {share(here)}"
        for one in found
        if here.left > NEARLY and one.left < BETTER * here.left
    ]


def contradicts_declared(says: Description, base: Reading) -> tuple[str, bool] | None:
    """What is said of how many are active, and whether it is far off; None where it fits."""
    said = says.declared_l0
    if said is None or not said > 0:
        return None
    times = max(base.active, 1e-9) / said
    if 1 / SOME_TIMES < times < SOME_TIMES:
        return None
    told = f"it says that {said:g} latents are active at a token; {base.active:.1f} are"
    return told, not 1 / MANY_TIMES < times < MANY_TIMES


def misfit(
    words: str, says: Description, model_name: str, message: str, rather: Reading | None
) -> LoadError:
    """What does not fit the model, with what would."""
    of = f"; it was trained on {says.model_name}" if says.model_name else ""
    return LoadError(
        f"the {words} does not fit {model_name}: {message}{of}",
        field="source",
        value=says.source,
        fix=fix_of(rather),
    )


def fix_of(rather: Reading | None) -> str:
    """How to ask for another reading, where it can be asked for."""
    if rather is not None and rather.words.startswith("at "):
        return f'ue.load_sae(source, site="{rather.words.removeprefix("at ")}")'
    if rather is not None and rather.words in _FIXES:
        return _FIXES[rather.words]
    return "an autoencoder that was trained on this model and this site"
