"""What writes to the stream in an attribution graph: active latents, errors, whole feed-forwards,
and tokens. And how an active latent reads the stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution_graph.held import Held
from unembed.analyses.tools.frozen import accurate
from unembed.engine.loaded import Loaded
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError, TooLargeError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.sae import attached, every

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class Transcoded:
    """The latents of a layer's transcoder that are active in one run."""

    layer: int
    sae: Autoencoder  # in the precision that is computed in
    at: Int[Tensor, " active"]  # positions, ascending
    latents: Int[Tensor, " active"]
    values: Float[Tensor, " active"]
    written: Mapping[int, Float[Tensor, "active d_model"]]  # by layer: what each writes there

    def starts(self, held: Held, some: Int[Tensor, " some"]) -> Float[Tensor, "some d_model"]:
        """How the values of some active latents grow with the stream, each at its position.

        `some` are numbers among the active ones; the layer's transcoder reads the stream, or what
        a norm makes of it.
        """
        reads = self.reads
        read = accurate(held.run.activations[reads])
        at = self.at[some]
        rows = self.sae.readers(self.latents[some]) * self.sae.read_factor(read)[at]
        if reads.site != "mlp_in":
            return rows
        norm = held.mlp_norms[self.layer]
        turned = norm.gain[at] * rows
        return turned - turned.mean(-1, keepdim=True) if norm.centres else turned

    def skipped(
        self, held: Held, rows: Float[Tensor, "row pos d_model"]
    ) -> Float[Tensor, "row pos d_model"] | None:
        """Back through the map beside the latents, to the stream; None where there is none."""
        skip = self.sae.weights.skip
        if skip is None:
            return None
        turned = rows @ skip.to(rows).T
        return turned if self.reads.site != "mlp_in" else held.mlp_norms[self.layer].back(turned)

    @property
    def reads(self) -> SiteKey:
        found = self.sae.description.reads
        if found is None:
            raise AssertionError("an autoencoder that is attached has a place")
        return found


@dataclass(frozen=True, eq=False)
class Sources:
    """All that writes, in columns: the active latents by layer, then errors by layer, then tokens.

    Errors of a layer are one column for each position: what its transcoder leaves over, or all
    that its feed-forward adds where it has none.
    """

    transcoded: dict[int, Transcoded]
    errors: dict[int, Float[Tensor, "pos d_model"]]
    embed: Float[Tensor, "pos d_model"]

    @property
    def n_positions(self) -> int:
        return len(self.embed)

    @property
    def n_latents(self) -> int:
        """How many are active, at all positions."""
        return sum(len(one.at) for one in self.transcoded.values())

    @property
    def n_columns(self) -> int:
        return self.n_latents + self.n_positions * (len(self.errors) + 1)

    def first_latent(self, layer: int) -> int:
        """The column of the first latent of a layer."""
        return sum(len(one.at) for number, one in self.transcoded.items() if number < layer)

    def first_error(self, layer: int) -> int:
        """The column of a layer's first error."""
        before = sum(number < layer for number in self.errors)
        return self.n_latents + self.n_positions * before

    @property
    def first_token(self) -> int:
        """The column of the first token."""
        return self.n_columns - self.n_positions

    def written(self, column: int) -> dict[int, Float[Tensor, "pos d_model"]]:
        """By layer what one writes at each position; a token before all: in layer -1."""
        if column < self.n_latents:
            layer, number = self.where(column)
            one = self.transcoded[layer]
            found = {to: torch.zeros_like(self.embed) for to in one.written}
            for to, rows in one.written.items():
                found[to][one.at[number]] = rows[number]
            return found
        alone = torch.zeros_like(self.embed)
        order, at = divmod(column - self.n_latents, self.n_positions)
        layers = [*sorted(self.errors), -1]
        whole = self.embed if layers[order] < 0 else self.errors[layers[order]]
        alone[at] = whole[at]
        return {layers[order]: alone}

    def where(self, column: int) -> tuple[int, int]:
        """The layer of a latent's column, and its number among the active ones there."""
        for layer, one in self.transcoded.items():
            if column < len(one.at):
                return layer, column
            column -= len(one.at)
        raise IndexError(column)


def transcoders(model: Loaded) -> dict[int, Autoencoder]:
    """By layer, the transcoders of feed-forwards that a model has attached.

    Raises CapabilityError where it has none, or one whose latents have long names, with what to do.
    """
    found = {
        layer: sae
        for layer, sae in sorted(attached(model).items())
        if _is_of_mlp(model, layer, sae)
    }
    for one in every(model):
        if one.layer not in found and _is_of_mlp(model, one.layer, one.sae):
            raise CapabilityError(
                f"the {one.sae.description.words} stands behind another autoencoder of layer "
                f"{one.layer}, and a graph's latents are those of the first",
                field="model",
                value=model.name,
                legal="a transcoder that is the first of its layer",
                fix="model.detach(), then attach the transcoder before the other one",
            )
    if not found:
        raise CapabilityError(
            f"{model.name} has no transcoder of a feed-forward attached, whose latents are the "
            "features of an attribution graph",
            field="model",
            value=model.name,
            legal="a transcoder from L9.mlp_in, or L9.resid_mid, to L9.mlp_out; a cross-layer one",
            fix='model.attach(ue.load_sae(source, "L9.mlp_in>L9.mlp_out")), for as many layers as '
            "there are transcoders of",
        )
    return found


def _is_of_mlp(model: Loaded, layer: int, sae: Autoencoder) -> bool:
    says = sae.description
    stream = "resid_pre" if model.block(layer).parallel else "resid_mid"
    read = (SiteKey("mlp_in", layer), SiteKey(stream, layer))
    return (
        says.kind in ("transcoder", "clt")
        and says.reads in read
        and says.writes == ("mlp_out", layer, False)
    )


def left_out(model: Loaded) -> list[str]:
    """Sentences about layers whose nodes are no features."""
    own = transcoders(model)
    found = [
        f"the {one.sae.description.words} is no transcoder of a feed-forward: its latents are no "
        "nodes"
        for one in every(model)
        if one.sae not in own.values()
    ]
    bare = [
        block.layer
        for block in model.anatomy.blocks
        if block.feed_forward is not None and block.layer not in own
    ]
    if bare:
        what = "layer" if len(bare) == 1 else "layers"
        found.append(
            f"{what} {_listed(bare)}: no transcoder, so what the feed-forward adds is one node"
        )
    return found


def _listed(numbers: Sequence[int]) -> str:
    """Ascending numbers as people write them: "0-8, 10, 12-17"."""
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and stretches[-1][-1] == number - 1:
            stretches[-1].append(number)
        else:
            stretches.append([number])
    return ", ".join(str(s[0]) if len(s) == 1 else f"{s[0]}-{s[-1]}" for s in stretches)


def sources_capture(model: Loaded) -> tuple[str, ...]:
    """What a run must have captured for `sources`, beside what `held` needs."""
    return tuple(
        sae.description.reads.name
        for sae in transcoders(model).values()
        if sae.description.reads is not None
    )


@torch.no_grad()
def sources(seen: Run) -> Sources:
    """All that writes in one run. Raises TooLargeError for more active latents than may be held."""
    model, own = seen.model, transcoders(seen.model)
    found, errors, embed = dict[int, Transcoded](), dict[int, Tensor](), accurate(seen["embed"])
    sums: dict[int, Tensor] = {}  # of what latents write to a layer, its own and those before
    for block in model.anatomy.blocks:
        if block.feed_forward is None:
            continue
        layer, left = block.layer, accurate(seen[f"L{block.layer}.mlp_out"])
        if layer in own:
            reads = _reads(own[layer])
            read = accurate(seen.activations[reads])
            one = found[layer] = _transcoded(model, layer, own[layer], read, found)
            for to, rows in one.written.items():
                sums.setdefault(to, torch.zeros_like(left)).index_add_(0, one.at, rows)
            left = left - one.sae.constant(read) - sums[layer]
        errors[layer] = left
    return Sources(found, errors, embed)


def _reads(sae: Autoencoder) -> SiteKey:
    if sae.description.reads is None:
        raise AssertionError("an autoencoder that is attached has a place")
    return sae.description.reads


def _transcoded(
    model: Loaded, layer: int, sae: Autoencoder, read: Tensor, before: Mapping[int, Transcoded]
) -> Transcoded:
    own = sae.like(read)
    values = own.encode(read)
    at, latents = values.nonzero().T
    ends = own.description.ends
    held = sum(len(one.at) * (len(one.written) + 1) for one in before.values())
    n_active = sum(len(one.at) for one in before.values()) + len(at)
    _check_size(model, n_active, held + len(at) * (len(ends) + 1), len(read))
    some = values[at, latents]
    scale = some[:, None] * own.factor(read)[at]
    written = {key.layer or 0: own.directions_at(key)[latents] * scale for key in ends}
    return Transcoded(layer, own, at, latents, some, written)


def _check_size(model: Loaded, n_active: int, n_rows: int, n_positions: int) -> None:
    """Of what latents read and write, rows of the stream's width."""
    size = 4 * n_rows * model.anatomy.d_model
    limit = model.settings.max_capture_bytes
    if size > limit:
        raise TooLargeError(
            f"{n_active:,} latents are active at {n_positions:,} tokens: what they write takes "
            f"{size / 2**20:,.0f} MiB; the limit is {limit / 2**20:,.0f} MiB (max_capture_bytes)",
            field="prompt",
            value=n_active,
            legal="fewer active latents",
            fix="a shorter prompt",
        )


def numbers(several: Sequence[int], like: Tensor) -> Int[Tensor, " n"]:
    """Numbers as an index of a tensor."""
    return torch.tensor(list(several), dtype=torch.long, device=like.device)
