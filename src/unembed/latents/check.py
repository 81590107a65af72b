"""Holding an autoencoder against a model: does it explain what the model computes, read this way?

A file can be read in several ways that give numbers, and most files do not say which is meant. On a
fixed text the share of variance that is explained decides: what the file leaves open is chosen by
it, and a file that says what the activations contradict is refused, with what would fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from torch import Tensor

from unembed.engine.loaded import Loaded
from unembed.engine.targets import SiteKey
from unembed.errors import LoadError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.description import Description
from unembed.latents.evidence import (
    FEWER,
    NOT_TAKEN,
    SOME,
    TAKEN,
    Reading,
    contradicts_declared,
    judged,
    judged_places,
    misfit,
)
from unembed.latents.sample import activations, width
from unembed.result import TABLE_ROW, Axes, Columns, Result

_AT_LAYER = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "attn_in", "mlp_in")


@dataclass(frozen=True, eq=False, repr=False)
class SaeCheck(Result):
    """An autoencoder held against a model on a fixed text.

    Args:
        dead: how many latents are 0 at every token; on so short a text most may be.
        readings: as it is used, and the other ways that were tried.
        read: how it is used: the words of one of `readings`.
        doubts: sentences about what does not fit as it should, though it is used.
    """

    sae: str
    source: str
    site: str
    model: str
    n_tokens: int
    n_latents: int
    explained: float
    active: float
    declared: float | None
    dead: int
    read: str
    readings: tuple[Reading, ...]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]

    axes: ClassVar[Axes] = {"explained": (TABLE_ROW,), "active": (TABLE_ROW,)}

    def summary(self) -> str:
        return (
            f"{self.explained:.1%} of {self.site} in {self.model} explained by "
            f"{self.n_latents:,} latents, {self.active:.1f} active at each of "
            f"{self.n_tokens} tokens"
        )

    def columns(self) -> Columns:
        return {
            "reading": [one.words for one in self.readings],
            "explained": [one.explained for one in self.readings],
            "active": [one.active for one in self.readings],
        }


class Checked(Protocol):
    """What is held against a model as a whole: a cross-layer transcoder."""

    def decided(self, model: Loaded, /) -> tuple[Any, SaeCheck]:
        """Itself as it is used, and the evidence."""


def check_sae(sae: Autoencoder | Checked, model: Loaded) -> SaeCheck:
    """How well it explains the model on a fixed text, read as it says and in other ways.

    Of a cross-layer transcoder `explained` is the mean over the sites that it writes to, `active`
    of all layers together, and `readings` have each site.

    Raises:
        LoadError: what it says is contradicted: of another width, site, layer, scale or model.
    """
    return (decided(sae, model) if isinstance(sae, Autoencoder) else sae.decided(model))[1]


def decided(sae: Autoencoder, model: Loaded) -> tuple[Autoencoder, SaeCheck]:
    """The autoencoder with what its file leaves open settled, and the evidence. See `check_sae`."""
    return _Evidence(sae, model).decided()


class _Evidence:
    def __init__(self, sae: Autoencoder, model: Loaded) -> None:
        self.sae, self.model = sae, model
        self.reads, self.writes = placed(sae.description, model)
        keys = {self.reads, self.writes, *(key for pair in self._places() for key in pair)}
        self.seen = activations(model, sorted(keys, key=lambda key: key.name))

    def decided(self) -> tuple[Autoencoder, SaeCheck]:
        whole = self.seen[self.reads], self.seen[self.writes]
        here = whole[0][:SOME], whole[1][:SOME]
        chosen = self.sae.like(here[0])
        base = _reading("as its files say", chosen, *here)
        readings = [base]
        for words, one in _left_open(chosen):
            found = _reading(words, one, *here)
            readings.append(found)
            if found.left < base.left:
                chosen, base = one, found
        others = [_reading(words, one, *here) for words, one in other_readings(chosen, here[0])]
        doubts = [*judged(base, others, self._where, self._refused), *self._declared(base)]
        places, of_places = self._elsewhere(chosen, base)
        says = replace(chosen.description, open=())
        found = _reading(base.words, chosen, *whole)
        return Autoencoder(says, chosen.weights), SaeCheck(
            sae=says.words,
            source=says.source,
            site=says.where,
            model=self.model.name,
            n_tokens=len(whole[0]),
            n_latents=says.n,
            explained=found.explained,
            active=found.active,
            declared=says.declared_l0,
            dead=_dead(chosen, whole[0]),
            read=base.words,
            readings=(*readings, *others, *places),
            doubts=(*doubts, *of_places),
            notes=says.notes,
        )

    # ------------------------------------------------------------ what contradicts it

    def _declared(self, base: Reading) -> list[str]:
        """What is said of how many latents are active at a token, against how many are."""
        found = contradicts_declared(self.sae.description, base)
        if found is None:
            return []
        told, refused = found
        if refused:
            raise self._refused(told, base)
        return [told]

    def _elsewhere(self, sae: Autoencoder, base: Reading) -> tuple[list[Reading], list[str]]:
        """The same at other layers and sites; raises where one is what was meant."""
        few = {key: value[:FEWER] for key, value in self.seen.items()}
        here = _reading("here", sae, few[self.reads], few[self.writes])
        found = [
            _reading(f"at {_named(reads, writes)}", sae, few[reads], few[writes])
            for reads, writes in self._places()
        ]
        doubts = judged_places(base, here, found, self._where, len(few[self.reads]), self._refused)
        return found, doubts

    def _places(self) -> list[tuple[SiteKey, SiteKey]]:
        """Where else it may have been trained: other layers, and other sites of the layer."""
        says = self.sae.description
        found = []
        if self.reads.layer is not None:
            for layer in range(self.model.anatomy.n_layers):
                shift = layer - self.reads.layer
                written = (self.writes.layer or 0) + shift
                found.append(
                    (self.reads._replace(layer=layer), self.writes._replace(layer=written))
                )
            for site in _AT_LAYER:
                reads = self.reads._replace(site=site)
                found.append((reads, reads if says.kind == "sae" else self.writes))
        here = {(self.reads, self.writes)}
        return [
            (reads, writes)
            for reads, writes in dict.fromkeys(found)
            if (reads, writes) not in here
            and width(self.model, reads) == says.d_in
            and width(self.model, writes) == says.d_out
        ]

    @property
    def _where(self) -> str:
        return _named(self.reads, self.writes)

    def _refused(self, message: str, rather: Reading | None) -> LoadError:
        says = self.sae.description
        return misfit(says.words, says, self.model.name, message, rather)


def placed(says: Description, model: Loaded) -> tuple[SiteKey, SiteKey]:
    """Where it reads and writes. Raises LoadError where that is not known, or not of its width."""
    reads, writes = says.reads, says.writes
    if reads is None or writes is None:
        raise LoadError(
            f"the files of the {says.words} do not say which site it belongs to",
            field="site",
            value=says.source,
            legal=f"a site of {says.d_in} numbers",
            fix='ue.load_sae(source, site="L5.resid_post")',
        )
    for key, d in ((reads, says.d_in), *((end, says.d_out) for end in says.ends)):
        found = width(model, key)
        if found == d:
            continue
        has = f"{found} numbers at a position" if found else "no such site"
        of = f"; it was trained on {says.model_name}" if says.model_name else ""
        raise LoadError(
            f"the {says.words} does not fit {model.name}: {key.name} has {has}, it is for {d}{of}",
            field="source",
            value=says.source,
            legal=f"an autoencoder of {found} numbers" if found else "a site of this model",
            fix="an autoencoder of this model and site",
        )
    return reads, writes


def _named(reads: SiteKey, writes: SiteKey) -> str:
    return reads.name if reads == writes else f"{reads.name}>{writes.name}"


def _reading(words: str, sae: Autoencoder, reads: Tensor, writes: Tensor) -> Reading:
    values = sae.encode(reads)
    left = (writes - sae.decode(values, reads)).double().square().sum()
    whole = (writes - writes.mean(0)).double().square().sum()
    explained = float(1 - left / whole) if float(whole) > 0 else float("-inf")
    explained = explained if explained == explained else float("-inf")
    return Reading(words, explained, float((values != 0).sum() / len(values)))


def _dead(sae: Autoencoder, reads: Tensor) -> int:
    return int((sae.encode(reads) == 0).all(0).sum())


def _left_open(sae: Autoencoder) -> Iterator[tuple[str, Autoencoder]]:
    """What its files leave open, in the other ways."""
    says = sae.description
    if "subtract_bias" in says.open:
        yield _toggled(sae)
    if "threshold" in says.open and says.scale_in != 1.0:
        yield "with its threshold after scaling", _thresholds_times(sae, 1 / says.scale_in)


def other_readings(sae: Autoencoder, reads: Tensor) -> Iterator[tuple[str, Autoencoder]]:
    """Ways that other layouts have, in which the same tensors give numbers too."""
    says = sae.description
    yield _toggled(sae)
    if says.scale_in != 1.0:
        yield "without scaling", _described(sae, scale_in=1.0, scale_out=1.0)
    if says.kind != "sae" and says.scale_out != 1.0:
        yield "with what it writes not scaled back", _described(sae, scale_out=1.0)
    mean = float(reads.norm(dim=-1).mean())
    scale = says.d_in**0.5 / mean if mean > 0 else 1.0
    out = scale if says.kind == "sae" else says.scale_out
    if says.normalise == "none":
        yield f"scaled by {scale:.4g}", _described(sae, scale_in=scale, scale_out=out)
        yield "with each activation normalised", _described(sae, normalise="layer_norm")
        yield "with each activation scaled to one length", _described(sae, normalise="length")
    else:
        yield "without normalising", _described(sae, normalise="none")
    if says.centred or (says.reads is not None and says.reads.site.startswith("resid")):
        word = "without its mean taken off" if says.centred else "with its mean taken off"
        yield word, _described(sae, centred=not says.centred)
    if says.d_in == says.n:
        yield "with its encoder transposed", _with(sae, W_enc=sae.weights.W_enc.T)
    if says.d_out == says.n:
        sites = sae.weights.W_dec.reshape(says.n, -1, says.d_out)
        turned = sites.transpose(0, 2).reshape(says.n, -1)
        yield "with its decoder transposed", _with(sae, W_dec=turned)
    if sae.weights.skip is not None and says.d_in == says.d_out:
        yield "with its skip transposed", _with(sae, skip=sae.weights.skip.T)


def _toggled(sae: Autoencoder) -> tuple[str, Autoencoder]:
    taken = sae.description.subtract_bias
    return (NOT_TAKEN if taken else TAKEN), _described(sae, subtract_bias=not taken)


def _described(sae: Autoencoder, **changes: object) -> Autoencoder:
    says = replace(sae.description, **changes)  # type: ignore[arg-type]  # fields of it
    return Autoencoder(says, sae.weights)


def _with(sae: Autoencoder, **tensors: Tensor) -> Autoencoder:
    return Autoencoder(sae.description, replace(sae.weights, **tensors))


def _thresholds_times(sae: Autoencoder, factor: float) -> Autoencoder:
    threshold = sae.weights.threshold
    return sae if threshold is None else _with(sae, threshold=threshold * factor)
