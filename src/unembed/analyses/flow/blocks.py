"""The frame of a flow graph: the residual stream through each layer, its norms and branches.

Layers that follow each other share the node between them. Between others stands a link for what is
left out. Every norm is the one that the run has there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from unembed.analyses.flow.attention import AttentionParts, HeadParts
from unembed.analyses.flow.columns import ADDRESSES, BRANCHES, WORDS, columns_of
from unembed.analyses.flow.draft import Draft, Write, cut, zero
from unembed.analyses.flow.draw_attention import AttentionDrawing
from unembed.analyses.flow.draw_cross import CrossDrawing
from unembed.analyses.flow.kinds import LinkKind
from unembed.analyses.flow.latents import BESIDE, LatentDrawing, LatentParts, latents_of
from unembed.analyses.flow.mlp import MlpDrawing, MlpParts
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import FlowLink, FlowNode, FlowSum, LayerSelection
from unembed.analyses.flow.selection import Selector
from unembed.analyses.tools.frozen import accurate
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import ATTENTION_SITES, CROSS_ATTENTION_SITES, Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.models.anatomy import Anatomy

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


NEEDED = (*ATTENTION_SITES, "z", "attn_in")  # to draw heads
NEEDED_CROSS = (*CROSS_ATTENTION_SITES, "cross_z", "cross_in")

Heads = tuple[tuple[int, ...], Any, tuple[int, ...]]
"""The heads, values and rows of W_O that are shown."""


class BlockDrawing:
    """Draws one layer: stream, norms and both branches."""

    def __init__(
        self,
        draft: Draft,
        run: Run,
        layer: int,
        position: int,
        column: int,
        start: str,
        latents: bool,
    ) -> None:
        self.draft, self.run, self.layer, self.position = draft, run, layer, position
        self.block = run.model.block(layer)
        self.saes = latents_of(run.model, layer) if latents else {}
        self.columns = columns_of(self.block, [site for site in BESIDE if site in self.saes])
        self.mixes = self.block.mixer_site
        self.reads = None if self.mixes is None else self.mixes.replace("out", "in")
        if self.reads and why_not(run.model.anatomy, SiteKey(self.reads, layer)) is not None:
            self.reads = None
        no_input = why_not(run.model.anatomy, SiteKey("mlp_in", layer)) is not None
        self.feeds = None if no_input else "mlp_in"
        self.column, self.start, self.name = column, start, f"L{layer}"
        self._rows: dict[str, int] = {}

    @property
    def end(self) -> int:
        """The column of the block's last node."""
        return self.column + self.columns["resid_post"] + ("resid_post" in self.saes)

    def draw(self, selector: Selector, options: FlowOptions) -> LayerSelection:
        """All of it; returns what of it is shown."""
        selector.shown = []
        self.latents = {
            site: LatentParts(self.run, self.layer, self.position, selector, one)
            for site, one in self.saes.items()
        }
        self.options = options
        if self.start != f"{self.name}.resid_pre":
            self._beside("resid_pre", self.start)
        norm = self.block.parallel and selector.shared_norm(self.layer, self._alike())
        before, between, after = self._frame(norm)
        if self.block.beside is not None:
            before, between = [*before, "mixer_in"], ["mixer_out", *between]
        if self.block.per_layer is not None:
            after = [*after[:-1], "ple_in", "ple_out", after[-1]]
        for site in before:
            self._site(site)
        heads, memory, z_rows = self._mixer(selector, options)
        for site in between:
            self._site(site)
        crossed, read = self._cross(selector, options)
        neurons = self._feed_forward(selector, options)
        for site in after:
            self._site(site)
        self._boxes()
        self._links()
        return LayerSelection(
            self.layer, heads, memory, z_rows, neurons, norm, crossed, read, tuple(selector.shown)
        )

    def _frame(self, norm: bool) -> tuple[list[str], list[str], list[str]]:
        """Sites before the token mixer's inside, after it, and after the feed-forward's inside."""
        first = [] if self.start != f"{self.name}.resid_pre" else ["resid_pre"]
        reads = [] if self.reads is None else [self.reads]
        adds = [] if self.mixes is None else [self.mixes]
        feeds = [] if self.feeds is None else [self.feeds]
        if self.block.parallel:
            first += ["norm"] if norm else []
            return [*first, *reads, *feeds], adds, ["mlp_out", "resid_post"]
        if self.block.cross is not None:  # what it adds and the rest is behind its inside
            return [*first, *reads], [*adds, "resid_mid", "cross_in"], ["mlp_out", "resid_post"]
        if self.block.arrangement != "single":
            return [*first, *reads], [*adds, "resid_mid", *feeds], ["mlp_out", "resid_post"]
        if self.mixes is None:
            return [*first, *feeds], [], ["mlp_out", "resid_post"]
        return [*first, *reads], adds, ["resid_post"]

    def _alike(self) -> bool:
        """Both branches read the same vector wherever no edit came between."""
        if self.reads is None or self.feeds is None:
            return False
        both = (self.run[f"{self.name}.{site}"] for site in (self.reads, "mlp_in"))
        return bool(torch.eq(*both).all(-1).any())

    def at(self, site: str) -> Float[Tensor, " d_model"]:
        """A site of this layer at the position; the shared norm is where it was not edited."""
        if site == "norm":
            reads = self.reads or "mlp_in"
            edited = any(edit.target.startswith(f"{self.name}.{reads}") for edit in self.run.edits)
            site = "mlp_in" if edited else reads
        found: Tensor = self.run[f"{self.name}.{site}"]
        return found[self.position]

    # ------------------------------------------------------------ nodes

    def _site(self, site: str) -> None:
        vector = accurate(self.at(site))
        row = self.draft.row(vector)
        self._rows[site] = row
        part = ADDRESSES.get(site)
        made = zero(f"{self.name}.{part or site}", self.position)
        kind: Any = site
        node = FlowNode(
            id=f"{self.name}.{site}",
            kind=kind,
            layer=self.layer,
            column=self.column + self.columns[site],
            title=WORDS[site].format(self.layer),
            readings=(),
            address=None if part is None else f"{self.name}.{part}",
            position=self.position,
            token=self.run.tokens[self.position],
            cut=cut(f"{self.name}.norm", self.position) if site == "norm" else made,
        )
        write = self._write(site) if part is not None else None
        self.draft.add(node, ("", row), write=write)
        self._beside(site, node.id)

    def _beside(self, site: str, start: str) -> None:
        """Latents behind the node of what they divide once more."""
        if site in BESIDE and site in self.latents:
            column = self.column + self.columns[site] + 1
            self._draw_latents(site, column, start)

    def _draw_latents(self, site: str, column: int, start: str) -> None:
        LatentDrawing(self.latents[site], self.draft, self.options, column, start).draw()

    def _write(self, site: str) -> Write:
        return Write(self._rows[site], 1.0, self.layer, BRANCHES.get(site, "attn"))

    def _mixer(self, selector: Selector, options: FlowOptions) -> Heads:
        """The attention's inside; a token mixer without heads is one link."""
        if self.mixes is None:
            return (), (), ()
        reason = why_no_drawn_heads(self.run.model.anatomy, self.layer)
        if reason is None:
            latents = self.latents.get("attn_out")
            rows = latents is None
            attention = AttentionParts(self.run, self.layer, self.position, selector, rows)
            column = self.column + self.columns["qkv"]
            AttentionDrawing(attention, self.draft, options, column, latents).draw()
            return attention.heads, attention.memory, attention.z_rows
        if self.mixes in self.latents:
            column = self.column + self.columns[self.mixes] - 1
            self._draw_latents(self.mixes, column, self._source("attn", self.reads))
        else:
            self._as_one_link("attn", self.reads, self.mixes, "mixer", reason)
        return (), (), ()

    def _cross(self, selector: Selector, options: FlowOptions) -> tuple[tuple[int, ...], Any]:
        """The inside of attention to the encoder, what it adds, and the stream behind it."""
        if self.block.cross is None:
            return (), ()
        reason = why_no_drawn_cross(self.run.model.anatomy, self.layer)
        heads: tuple[tuple[int, ...], Any] = (), ()
        if reason is None:
            parts = HeadParts(self.run, self.layer, self.position, selector, "cross")
            column = self.column + self.columns["cross_value"]
            CrossDrawing(parts, self.draft, options, column).draw()
            heads = parts.heads, parts.memory
        for site in ("cross_out", "resid_mid_cross", *([] if self.feeds is None else [self.feeds])):
            self._site(site)
        if reason is not None:
            self._as_one_link("cross", "cross_in", "cross_out", "mixer", reason)
        return heads

    def _feed_forward(self, selector: Selector, options: FlowOptions) -> tuple[int, ...]:
        if self.block.feed_forward is None:
            return ()
        if "mlp_out" in self.latents:
            column = self.column + self.columns["neuron_key"] + 1
            self._draw_latents("mlp_out", column, self._source("mlp", self.feeds))
            return ()
        reason = why_not(self.run.model.anatomy, SiteKey("mlp_post", self.layer))
        if reason is None:
            parts = MlpParts(self.run, self.layer, self.position, selector)
            column = self.column + self.columns["neuron_key"]
            MlpDrawing(parts, self.draft, options, column).draw()
            return parts.neurons
        self._as_one_link("mlp", self.feeds, "mlp_out", "experts", reason)
        return ()

    def _boxes(self) -> None:
        """Branches that are one link beside attention and feed-forward."""
        if self.block.beside is not None:
            reason = self.block.beside.reason
            self._as_one_link("attn", "mixer_in", "mixer_out", "mixer", reason, whole=False)
        if self.block.per_layer is not None:
            reason = "what the per-layer embedding adds has no parts"
            self._as_one_link("mlp", "ple_in", "ple_out", "ple", reason, whole=False)

    def _as_one_link(
        self,
        branch: Branch,
        reads: str | None,
        adds: str,
        kind: LinkKind,
        reason: str,
        whole: bool = True,
    ) -> None:
        """A branch whose inside is not seen: its link is as wide as what it adds.

        `whole`: it is all of the attention or feed-forward, whose sums have nothing else.
        """
        added = accurate(self.at(adds))
        norm = float(added.norm())
        if whole:
            self.draft.sums.append(
                FlowSum(self.layer, branch, norm, None, None, 0.0, None, None, reason)
            )
        self.draft.notes.append(f"Layer {self.layer}: {reason}; it is drawn as one link.")
        source = self._source(branch, reads)
        own = zero(f"{self.name}.{ADDRESSES[adds]}", self.position)
        row = self.draft.row(added)
        ends = (source, f"{self.name}.{adds}")
        link = FlowLink(*ends, kind, norm, "entropy", norm=norm, share=1.0, cut=own)
        self.draft.join(link, Write(row, 1.0, self.layer, branch))

    def _source(self, branch: Branch, reads: str | None) -> str:
        """The node that a branch starts from: the stream where what it reads is not known."""
        return self._stream_of(branch) if reads is None else f"{self.name}.{reads}"

    def _stream_of(self, branch: Branch) -> str:
        """The node of the stream that a branch reads."""
        sites = self.block.stream_sites
        site = {"attn": sites[0], "cross": "resid_mid", "mlp": sites[-1]}[branch]
        return self.start if site == "resid_pre" else f"{self.name}.{site}"

    # ------------------------------------------------------------ links

    def _links(self) -> None:
        norm = self._rows.get("norm")
        reads = self.start if norm is None else f"{self.name}.norm"
        if norm is not None:
            self._normed("resid_pre", self.start, "norm")
        given = "resid_pre" if norm is None else "norm"
        if self.reads is not None:
            self._normed(given, reads, self.reads)
        if self.block.parallel:
            self._normed(given, reads, "mlp_in")
            self._past("resid_pre", "resid_post", "residual_attn", "attn")
        elif self.block.arrangement == "single":
            self._single(given, reads)
        else:
            self._past("resid_pre", "resid_mid", "residual_attn", "attn")
            if self.block.cross is not None:
                self._normed("resid_mid", f"{self.name}.resid_mid", "cross_in")
                self._past("resid_mid", "resid_mid_cross", "residual_attn", "cross")
                self._branch("cross_out", "resid_mid_cross")
            last = self.block.stream_sites[-1]
            self._normed(last, f"{self.name}.{last}", "mlp_in")
            self._past(last, "resid_post", "residual_mlp", "mlp")
        two = self.block.arrangement not in ("parallel", "single")
        if self.mixes is not None:
            self._branch(self.mixes, "resid_mid" if two else "resid_post")
        if self.block.feed_forward is not None:
            self._branch("mlp_out", "resid_post")
        if self.block.beside is not None:
            self._normed(given, reads, "mixer_in")
            self._branch("mixer_out", "resid_mid" if two else "resid_post")
        if self.block.per_layer is not None:
            self._normed("resid_mid", f"{self.name}.resid_mid", "ple_in")
            self._normed("mlp_out", f"{self.name}.mlp_out", "ple_in")
            self._branch("ple_out", "resid_post")

    def _single(self, given: str, reads: str) -> None:
        if self.mixes is None:
            self._normed(given, reads, "mlp_in")
            self._past("resid_pre", "resid_post", "residual_mlp", "mlp")
        else:
            self._past("resid_pre", "resid_post", "residual_attn", "attn")

    def _normed(self, given: str, source: str, target: str) -> None:
        """Through a norm, if what reads it is known; the width is the norm of what goes in."""
        if target == "mlp_in" and self.feeds is None:
            return
        norm = float(accurate(self.at(given)).norm())
        name = f"{self.name}.{target}"
        own = cut(name, self.position) if target == "norm" else zero(name, self.position)
        self.draft.join(FlowLink(source, name, "norm", norm, "norm", norm=norm, cut=own))

    def _past(self, site: str, target: str, kind: LinkKind, part: Branch) -> None:
        """Past a branch: the stream itself. Behind a norm of the stream it cannot be cut out."""
        source = self.start if site == "resid_pre" else f"{self.name}.{site}"
        factor = self.block.stream_factors[self.block.stream_sites.index(site)]
        vector = accurate(self.at(site)) * factor
        norm = float(vector.norm())
        own = None
        if self.block.stream_norms is None:
            own = cut(f"{self.name}.{site}>{self.name}.{target}", self.position)
        colour: Any = kind
        known = site in self._rows and factor == 1.0
        row = self._rows[site] if known else self.draft.row(vector)
        write = Write(row, 1.0, self.layer, part)
        link = FlowLink(source, f"{self.name}.{target}", kind, norm, colour, norm=norm, cut=own)
        self.draft.join(link, write)

    def _branch(self, site: str, target: str) -> None:
        vector = accurate(self.at(site))
        norm = float(vector.norm())
        own = zero(f"{self.name}.{ADDRESSES[site]}", self.position)
        ends = (f"{self.name}.{site}", f"{self.name}.{target}")
        link = FlowLink(*ends, "branch", norm, "entropy", norm=norm, cut=own)
        self.draft.join(link, self._write(site))


def why_no_drawn_heads(anatomy: Anatomy, layer: int) -> str | None:
    """Why the token mixer of a layer is drawn as one link; None where its heads are drawn."""
    source = anatomy.layer_of_keys(layer)
    if source != layer:
        return f"its keys and values are those of layer {source}"
    reasons = (why_not(anatomy, SiteKey(site, layer)) for site in NEEDED)
    return next((reason for reason in reasons if reason is not None), None)


def why_no_drawn_cross(anatomy: Anatomy, layer: int) -> str | None:
    """Why attention to the encoder is drawn as one link; None where its heads are drawn."""
    reasons = (why_not(anatomy, SiteKey(site, layer)) for site in NEEDED_CROSS)
    return next((reason for reason in reasons if reason is not None), None)


def draw_layers(
    draft: Draft,
    run: Run,
    layers: Sequence[int],
    position: int,
    selector: Selector,
    options: FlowOptions,
    tell: Callable[[int], None],
) -> tuple[LayerSelection, ...]:
    """All layers, one after the other from left to right; `tell` hears how many are done."""
    found: list[LayerSelection] = []
    column, last = 0, ""
    for layer, before in zip(layers, [None, *layers], strict=False):
        tell(len(found))
        follows = before == layer - 1 if before is not None else False
        start = last if follows else f"L{layer}.resid_pre"
        if before is not None and not follows:
            column += 1
        drawing = BlockDrawing(draft, run, layer, position, column, start, options.latents)
        found.append(drawing.draw(selector, options))
        if before is not None and not follows:
            _skip(draft, run, last, layer, position)
        column, last = drawing.end, f"L{layer}.resid_post"
    return tuple(found)


def _skip(draft: Draft, run: Run, source: str, layer: int, position: int) -> None:
    """A link over the layers between."""
    norm = float(accurate(run[source][position]).norm())
    target = f"L{layer}.resid_pre"
    draft.join(FlowLink(source, target, "skipped", norm, "residual_attn", norm=norm))
