"""Holding a cross-layer transcoder against a model: every site that it writes to, by all that is
written there.

As `check`, whose thresholds and readings these are. What is written to a site comes from several
layers, so each part is also held against the site by itself: the multiples of the parts, and the
constant, that fit best are told where they are far from what the files say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.engine.loaded import Loaded
from unembed.engine.targets import SiteKey
from unembed.errors import LoadError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.check import SaeCheck, other_readings, placed
from unembed.latents.description import OF_KIND
from unembed.latents.evidence import (
    BETTER,
    ELSEWHERE,
    FEWER,
    FLOOR,
    NEARLY,
    SOME,
    Reading,
    contradicts_declared,
    judged,
    judged_places,
    misfit,
    share,
)
from unembed.latents.sample import activations, width
from unembed.latents.several import read_by, reconstructed, sides

Layers = tuple[Autoencoder, ...]
Seen = Mapping[SiteKey, Tensor]
_NUMBER = re.compile(r"[0-9.e+-]*[0-9]")  # of words: each layer has its own scale
_READS = ("mlp_in", "resid_mid", "resid_pre", "attn_in")
_STATES = ("resid_pre", "resid_mid", "resid_post", "mlp_out")
_WRITES = ("mlp_out", "attn_out", "resid_post")


def where_of(layers: Layers) -> str:
    """All places of one, by the first and last layer: "L0-17.mlp_in>L0-17.mlp_out"."""
    first, last = layers[0].description, layers[-1].description
    if first.kind == "crosscoder" and first.reads is not None:
        numbers = (one.description.reads for one in layers)
        listed = ",".join(str(key.layer) for key in numbers if key is not None)
        return f"L{listed}.{first.reads.site}"
    pairs = (first.reads, last.reads), (first.writes, last.writes)
    return ">".join(
        f"L{one.layer}-{other.layer}.{one.site}" for one, other in pairs if one and other
    )


def words_of(layers: Layers) -> str:
    """One in a phrase."""
    says, where = layers[0].description, where_of(layers)
    n = sum(one.description.n for one in layers)
    at, k = f" at {where}" if where else "", "" if says.k is None else f", k = {says.k}"
    return f"{says.activation} {OF_KIND[says.kind]} of {n:,} latents{at}{k} ({says.layout})"


def placed_all(layers: Layers, model: Loaded) -> None:
    """Raise LoadError unless all layers have a place in the model, of their width."""
    for one in layers:
        placed(one.description, model)


def decided(layers: Layers, model: Loaded) -> tuple[Layers, SaeCheck, dict[int, SaeCheck]]:
    """The layers as they are used, the evidence, and that of each layer.

    Raises:
        LoadError: what its files say is contradicted.
    """
    return _Evidence(layers, model).decided()


class _Evidence:
    def __init__(self, layers: Layers, model: Loaded) -> None:
        self.layers, self.model = layers, model
        placed_all(layers, model)
        keys = {key for one in layers for key in _keys(one)}
        keys |= {key for moved in self._places() for one in moved[1] for key in _keys(one)}
        self.seen = activations(model, sorted(keys, key=lambda key: key.name))

    def decided(self) -> tuple[Layers, SaeCheck, dict[int, SaeCheck]]:
        some, layers = {key: value[:SOME] for key, value in self.seen.items()}, self.layers
        base = _reading("as its files say", layers, some)
        others = [_reading(words, made, some) for words, made in _other_readings(layers, some)]
        few = {key: value[:FEWER] for key, value in self.seen.items()}
        places = [_reading(f"at {place}", moved, few) for place, moved in self._places()]
        better = [one for one in places if one.left < ELSEWHERE * base.left]
        doubts = [
            *judged(base, [*others, *better], self._where, self._refused),
            *self._declared(base),
        ]
        of_places = self._elsewhere(base, places, few)
        found, each = _reading(base.words, layers, self.seen), _each(layers, self.seen)
        doubts += [*of_places, *self._absent(), *_misfits(layers, self.seen, each)]
        says = layers[0].description
        checked = SaeCheck(
            sae=words_of(layers),
            source=says.source,
            site=self._where,
            model=self.model.name,
            n_tokens=len(next(iter(self.seen.values()))),
            n_latents=sum(one.description.n for one in layers),
            explained=found.explained,
            active=found.active,
            declared=says.declared_l0,
            dead=sum(one.dead for one in each),
            read=base.words,
            readings=(base, *others, *places, *(one.reading for one in each)),
            doubts=tuple(doubts),
            notes=says.notes,
        )
        return layers, checked, self._of_each(checked, each)

    def _of_each(self, checked: SaeCheck, each: Sequence[_OfLayer]) -> dict[int, SaeCheck]:
        """The evidence layer by layer; what is doubtful is said of the first."""
        found = {}
        for order, (one, own) in enumerate(zip(self.layers, each, strict=True)):
            first = order == 0
            found[own.layer] = replace(
                checked,
                sae=one.description.words,
                site=one.description.where,
                n_latents=one.description.n,
                explained=own.reading.explained,
                active=own.reading.active,
                declared=None,
                dead=own.dead,
                doubts=checked.doubts if first else (),
                notes=checked.notes if first else (),
            )
        return found

    # ------------------------------------------------------------ what contradicts it

    def _declared(self, base: Reading) -> list[str]:
        """The declared number may be of one layer or of all together: what is nearer counts."""
        says = self.layers[0].description
        of_one = replace(base, active=base.active / len(self.layers))
        found = [contradicts_declared(says, one) for one in (base, of_one)]
        if any(one is None for one in found):
            return []
        sentence, refused = min((one for one in found if one is not None), key=lambda one: one[1])
        if refused:
            raise self._refused(sentence, base)
        return [sentence]

    def _absent(self) -> list[str]:
        """Layers of the model that it has no latents of."""
        if self.layers[0].description.kind != "clt":
            return []
        own = {key.layer for one in self.layers for key in one.description.ends}
        n_layers = self.model.anatomy.n_layers
        left = [layer for layer in range(n_layers) if layer not in own]
        listed = ", ".join(map(str, left))
        return [f"it has no latents of layer {listed}, which the model has"] if left else []

    def _elsewhere(self, base: Reading, found: Sequence[Reading], few: Seen) -> list[str]:
        """What speaks for other places; raises where one is what was meant."""
        here = _reading("here", self.layers, few)
        return judged_places(base, here, found, self._where, FEWER, self._refused)

    def _places(self) -> Iterator[tuple[str, Layers]]:
        """Other sites that it may read or write in every layer; the first layer's are its words."""
        says = self.layers[0].description
        if says.reads is None or says.writes is None:
            return
        pairs = [(site, says.writes.site, 0) for site in _READS]
        pairs += [(says.reads.site, site, 0) for site in _WRITES]
        if says.kind == "crosscoder":
            pairs = [(site, site, 0) for site in _STATES]
            pairs += [(says.reads.site, says.reads.site, by) for by in (-2, -1, 1, 2)]
        for reads, writes, by in dict.fromkeys(pairs):
            if (reads, writes, by) == (says.reads.site, says.writes.site, 0):
                continue
            moved = tuple(_moved(one, reads, writes, by) for one in self.layers)
            if all(self._fits(one) for one in moved):
                yield moved[0].description.at_first, moved

    def _fits(self, one: Autoencoder) -> bool:
        says = one.description
        reads, *writes = _keys(one)
        return width(self.model, reads) == says.d_in and all(
            width(self.model, key) == says.d_out for key in writes
        )

    @property
    def _where(self) -> str:
        return where_of(self.layers)

    def _refused(self, message: str, rather: Reading | None) -> LoadError:
        words, says = words_of(self.layers), self.layers[0].description
        return misfit(words, says, self.model.name, message, rather)


# ------------------------------------------------------------------ layers, read in some way


def _keys(one: Autoencoder) -> tuple[SiteKey, ...]:
    """What one layer reads, and what it writes."""
    reads = one.description.reads
    return (*(() if reads is None else (reads,)), *one.description.ends)


def _moved(one: Autoencoder, reads: str, writes: str, by: int) -> Autoencoder:
    """One layer that reads and writes other sites, of the same layers or of ones further on."""
    own, *ends = (key._replace(layer=(key.layer or 0) + by) for key in _keys(one))
    first, *also = (key._replace(site=writes) for key in ends)
    says = replace(one.description, reads=own._replace(site=reads), writes=first, also=tuple(also))
    return Autoencoder(says, one.weights)


def _other_readings(layers: Layers, seen: Seen) -> Iterator[tuple[str, Layers]]:
    """As of an autoencoder, in all layers at once; and with layers in another order."""
    each = [
        {_NUMBER.sub("", words): (words, made) for words, made in other_readings(one, x)}
        for one in layers
        for x in [read_by(one, seen)]
    ]
    for kind in dict.fromkeys(kind for found in each for kind in found):
        made = [found.get(kind, ("", one)) for found, one in zip(each, layers, strict=True)]
        words = list(dict.fromkeys(words for words, _ in made if words))
        yield " ... ".join(words[:: max(1, len(words) - 1)]), tuple(one for _, one in made)
    yield "with the decoders of each layer in the other order", tuple(map(_turned, layers))
    if len({one.description.n for one in layers}) == 1 and len(layers) > 1:
        yield (
            "with the encoders of its layers in the other order",
            tuple(
                _with_encoder(one, other)
                for one, other in zip(layers, reversed(layers), strict=True)
            ),
        )


def _turned(one: Autoencoder) -> Autoencoder:
    says = one.description
    sites = one.weights.W_dec.reshape(says.n, -1, says.d_out)
    weights = replace(one.weights, W_dec=sites.flip(1).reshape(says.n, -1))
    return Autoencoder(says, weights)


def _with_encoder(one: Autoencoder, other: Autoencoder) -> Autoencoder:
    held = other.weights
    weights = replace(one.weights, W_enc=held.W_enc, b_enc=held.b_enc, threshold=held.threshold)
    return Autoencoder(one.description, weights)


def _reading(words: str, layers: Layers, seen: Seen) -> Reading:
    """Explained in the mean over the sites; active in all layers together."""
    made = reconstructed(layers, seen)
    shares = [explained(seen[key], found) for key, found in made.items()]
    active = sum(float((one.encode(read_by(one, seen)) != 0).sum()) for one in layers)
    n_tokens = len(next(iter(seen.values())))
    return Reading(words, sum(shares) / len(shares), active / n_tokens)


def explained(site: Tensor, made: Tensor) -> float:
    """1 - |y - reconstruction|² / |y - mean of y|²."""
    whole = (site - site.mean(0)).double().square().sum()
    left = (site - made).double().square().sum()
    found = float(1 - left / whole) if float(whole) > 0 else float("-inf")
    return found if found == found else float("-inf")


# ------------------------------------------------------------------ site by site


@dataclass(frozen=True)
class _OfLayer:
    """What is explained of the site of one layer, by all layers; and its own latents."""

    layer: int
    reading: Reading
    dead: int


def _each(layers: Layers, seen: Seen) -> list[_OfLayer]:
    made, found = reconstructed(layers, seen), []
    for one in layers:
        key = one.description.ends[0]
        active = one.encode(read_by(one, seen)) != 0
        share_of = explained(seen[key], made[key])
        reading = Reading(f"of {key.name}", share_of, float(active.sum() / len(active)))
        found.append(_OfLayer(key.layer or 0, reading, int((~active).all(0).sum())))
    return found


def _misfits(layers: Layers, seen: Seen, each: Sequence[_OfLayer]) -> Iterator[str]:
    """What of a site's parts does not fit it as it is: the bias, or what one layer writes there."""
    parts: dict[SiteKey, list[tuple[int, Tensor]]] = {}
    for one in layers:
        x = read_by(one, seen)
        for key, part in sides(one, one.written(one.encode(x), x)).items():
            parts.setdefault(key, []).append((one.description.ends[0].layer or 0, part))
    for one, own in zip(layers, each, strict=True):
        key = one.description.ends[0]
        if own.reading.explained < FLOOR:
            yield f"it explains {share(own.reading)} of {key.name}"
        elif own.reading.left > NEARLY:
            constant = one.constant(read_by(one, seen))
            yield from _misfit(key, seen[key], constant, parts[key], BETTER * own.reading.left)


def _misfit(
    key: SiteKey,
    site: Tensor,
    constant: Tensor,
    parts: Sequence[tuple[int, Tensor]],
    least: float,
) -> Iterator[str]:
    """What fits so much better that less than `least` of the variance is left."""
    centred = (site - constant).double()
    centred = centred - centred.mean(0)
    whole = float((site - site.mean(0)).double().square().sum())
    written = torch.stack([(part - part.mean(0)).double().flatten() for _, part in parts], 1)
    target = centred.flatten()
    if float((target - written.sum(1)).square().sum()) / whole < least:
        yield f"with another bias it would explain more of {key.name}"
        return
    times = torch.linalg.lstsq(written, target[:, None], driver="gelsd").solution[:, 0]
    if float((target - written @ times).square().sum()) / whole < least:
        worst = int((times - 1).abs().argmax())
        yield (
            f"what latents of layer {parts[worst][0]} write to {key.name} would fit "
            f"{float(times[worst]):.2g} times"
        )
