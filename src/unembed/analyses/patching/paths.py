"""Path patching: what one node does to another, and through it to the objective (Wang et al. 2022;
Goldowsky-Dill et al. 2023).

Two runs for each edge. In the first a sender has what it has in another prompt, and all that the
stream gets from others is held at what the prompt itself gives: what receivers become, they become
by the sender's own write. In the second nothing is held, and receivers have become that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import torch

from unembed.analyses.attribution.groups import OUT, parts_of
from unembed.analyses.patching.options import PathOptions, Through
from unembed.analyses.patching.plan import check_lengths, objective_of
from unembed.analyses.tools.checks import bounded_by_length, chosen
from unembed.analyses.tools.target import in_words, measured_position
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, by_analysis, patch, set_to
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.tokens import Token
from unembed.engine.passes.forward import Logits, request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.sweep import sweep
from unembed.engine.targets import Name, SiteKey, Target, site
from unembed.errors import InputError, TooLargeError
from unembed.models.anatomy import BlockAnatomy
from unembed.models.progress import Progress
from unembed.options import Explained, given
from unembed.result import TABLE_ROW, Axes, Columns, Result, columns_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

DEFAULTS = PathOptions()


@dataclass(frozen=True)
class SentPath:
    """One path: from a sender to the receivers."""

    sender: str
    value: Annotated[float, "Of the objective in the run in which the receivers were told."]
    effect: Annotated[float, "What the objective loses by it."]


@dataclass(frozen=True, eq=False, repr=False)
class PathPatches(Result):
    """The objective of one prompt with what each sender tells the receivers from another."""

    axes: ClassVar[Axes] = {"values": (TABLE_ROW,)}
    also: ClassVar[tuple[str, ...]] = ("rows",)

    objective: Annotated[str, "What was measured, in words."]
    position: Annotated[
        int | None, "Where it was measured; null of the label of a text as a whole."
    ]
    tokens: Annotated[tuple[Token, ...], "Of the prompt that was run."]
    corrupted_tokens: Annotated[tuple[Token, ...], "Of the other one, as many."]
    senders: Annotated[tuple[str, ...], "Each of a run of its own."]
    receivers: Annotated[tuple[str, ...], "Changed together."]
    through: Annotated[Through, "What lies between and was not held."]
    clean: Annotated[float, "The objective of the prompt that was run."]
    corrupted: Annotated[float, "That of the prompt that senders have their activations of."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    values: Float[Tensor, " sender"]

    @property
    def effects(self) -> Float[Tensor, " sender"]:
        """What the objective loses by each path."""
        return self.clean - self.values

    @property
    def rows(self) -> tuple[SentPath, ...]:
        """What each sender does to the objective through the receivers."""
        numbers = zip(self.senders, self.values.tolist(), self.effects.tolist(), strict=True)
        return tuple(SentPath(*one) for one in numbers)

    def summary(self) -> str:
        return f"{len(self.senders)} senders to {', '.join(self.receivers[:3])}"

    def columns(self) -> Columns:
        """One row for each sender."""
        return columns_of(
            {"sender": row.sender, "values": row.value, "effect": row.effect} for row in self.rows
        )


@bounded_by_length("a shorter prompt")
@torch.no_grad()
def path_patch(
    model: Loaded,
    clean: Prompt,
    corrupted: Prompt,
    senders: Sequence[Name],
    receivers: Sequence[Name],
    target: str | int | Explained | None = None,
    *,
    options: PathOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> PathPatches:
    """What each sender does to the objective through the receivers alone.

    Args:
        clean: the prompt that is run.
        corrupted: as many tokens; senders have their activations of it.
        senders: nodes that write to the stream, "L9.H6", "L9.H6@14", "L3.mlp", "embed"; each alone.
        receivers: what may change: nodes, or a site of one: "L12.H3", "L12.H3.q", "L17.resid_post".
        target: what is measured, a token or a `ue.Objective`.
        options: what is measured and held; `target` and `changes` are single ones, as in
            `distractor=" John", through="mlps"`, with which feed-forwards between go with the
            sender, as in Wang et al.

    Raises:
        PromptError, TargetError, InputError, CapabilityError: bad input; nothing was run.
        TooLargeError: more senders than `max_patch_cells`.
    """
    options = chosen(options, given(target=target) | changes, {})
    read, other = model.read_prompt(clean), model.read_prompt(corrupted)
    check_lengths(len(read.ids), len(other.ids))
    to = _named(model, receivers, "receivers", len(read.ids))
    by = _named(model, senders, "senders", len(read.ids))
    _check(by, to)
    _check_order(model, by, to)
    _check_size(len(by), model.settings.max_patch_cells)
    objective, through = objective_of(model, read, other, options, cancel), options.through
    needed = objective.required_capture(model)
    logits: Logits = "none" if needed else "all"
    outs = [part.out for part in parts_of(model)]
    held = [key for key in outs if through == "nothing" or key.site != OUT["mlp"]]
    capture = dict.fromkeys([*(key.name for key in held), *needed])
    here = run(model, request_of(read, tuple(capture), logits=logits), cancel, progress)
    sources = dict.fromkeys([*(one.site_key.name for one in by), *needed])
    there = run(model, request_of(other, tuple(sources), logits=logits), cancel, progress)
    work: dict[str, Any] = {"cancel": cancel, "progress": progress}
    first = [_sent(one, there, here, held) for one in by]
    told = sweep(
        model, clean, first, capture=[one.site_key.name for one in to], logits="none", **work
    )
    second = [tuple(by_analysis(patch(one, seen)) for one in to) for seen in told]
    values = sweep(model, clean, second, objective=objective, **work).values
    if values is None:
        raise AssertionError("there is an objective")
    return PathPatches(
        objective=in_words(model, objective.at(-1)),
        position=measured_position(model, objective, len(read.ids)),
        tokens=here.tokens,
        corrupted_tokens=there.tokens,
        senders=tuple(one.text for one in by),
        receivers=tuple(one.text for one in to),
        through=through,
        clean=float(objective.value(here)),
        corrupted=float(objective.value(there)),
        provenance=here.provenance,
        values=values,
    )


def _named(model: Loaded, names: Sequence[Name], field: str, n_positions: int) -> list[Target]:
    """Nodes by their names; raises TargetError for what is not there, about the field."""
    found = [model.node(name, field) for name in names]
    for one in found:
        for position in (one.position, one.key):
            if position is not None:
                resolve_position(position, n_positions, field)
    return found


def _sent(sender: Target, there: Run, here: Run, held: Sequence[SiteKey]) -> tuple[Edit, ...]:
    """The sender as in the other run, all that others write as in this one."""
    own = _branch_out(sender)
    kept = [
        by_analysis(set_to(site(key.site, key.layer), here.activations[key]))
        for key in held
        if key != own
    ]
    return (*kept, patch(sender, there))


def _branch_out(sender: Target) -> SiteKey | None:
    """Where the branch that a sender is in adds to the stream."""
    branch = sender.row.writes
    return None if branch is None else SiteKey(OUT[branch], sender.layer)


def _check_size(n_senders: int, limit: int) -> None:
    if n_senders > limit:
        raise TooLargeError(
            f"{n_senders:,} senders are two runs each; the limit is {limit:,} (max_patch_cells)",
            field="senders",
            value=n_senders,
            legal=f"at most {limit:,}",
            fix="name fewer senders",
        )


def _check_order(model: Loaded, senders: Sequence[Target], receivers: Sequence[Target]) -> None:
    """Raise InputError for a receiver that stands before what its sender's layer adds, or in it."""
    for sender in senders:
        for receiver in receivers:
            if sender.layer is None or receiver.layer != sender.layer or receiver.row.derived:
                continue
            block = model.anatomy.blocks[sender.layer]
            if _step(block, receiver.site) <= _step(block, sender.site):
                raise InputError(
                    f"{receiver.text} cannot read {sender.text}: it comes before it in its layer, "
                    "or beside it",
                    field="receivers",
                    value=receiver.text,
                    legal=f"what reads the stream behind {sender.text}",
                )


def _step(block: BlockAnatomy, site_name: str) -> int:
    """Which of a layer's steps a site is of; of the stream, how many of them it holds."""
    streams = (*block.stream_sites, "resid_post")
    if site_name in streams:
        return len(block.steps) if site_name == "resid_post" else streams.index(site_name)
    branch = next((one for one in ("cross", "mlp", "ple") if site_name.startswith(one)), None)
    out = block.mixer_site if branch is None else f"{branch}_out"
    return next(order for order, step in enumerate(block.steps) if out in step)


def _check(senders: Sequence[Target], receivers: Sequence[Target]) -> None:
    """Raise InputError for what is no edge."""
    for field, some in (("senders", senders), ("receivers", receivers)):
        if not some:
            raise InputError(f"there are no {field}", field=field, legal="at least one node")
    for sender in senders:
        whole = sender.site in ("mixer_out", "ple_out") or sender.row.derived
        if (not sender.row.is_node and sender.kind != "pair") or sender.encoder or whole:
            raise InputError(
                f"{sender.text} is no node whose write can be sent alone",
                field="senders",
                value=sender.text,
                legal="heads, neurons, attention and feed-forwards of layers, and embed",
            )
    latest = max(sender.layer if sender.layer is not None else -1 for sender in senders)
    for receiver in receivers:
        if receiver.layer is not None and receiver.layer < latest:
            raise InputError(
                f"{receiver.text} comes before a sender of layer {latest}",
                field="receivers",
                value=receiver.text,
                legal=f"of layer {latest} or later",
            )
