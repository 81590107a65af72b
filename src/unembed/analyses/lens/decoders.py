"""What a row of the lens is run through before it is read: a suffix of the model.

    "final_norm"   the final norm and the unembedding: the plain lens
    "L17"          block 17 and everything after it
    "L17.mlp"      the feed-forward of block 17 and everything after it
    ["h.17", "final_layernorm", "lm_head"]   block 17, by the modules that a row is run through

The suffix is the model's own modules, run on the row's states at all positions together, with the
edits of the run that lie inside it. So the last block, given the state before it, ends in the run's
own output. Where attention and feed-forward are parallel, "L17.mlp" runs the block without what its
attention writes: x + mlp(x).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, at_stage, set_to, zero
from unembed.engine.editing.resolving import resolve_edits
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import refuse
from unembed.engine.nodes import LAYER_SITES
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import InputError, TargetError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


LEGAL = '"final_norm", "last_mlp", "last_block", "L17", "L17.mlp"'
FINAL_NAMES = ("final_layernorm", "final_norm")  # of a list of modules, in every model
HEAD_NAME = "lm_head"
FINAL = SiteKey("final_norm", None)
BEFORE_MLP = LAYER_SITES[: LAYER_SITES.index("mlp_in")]


@dataclass(frozen=True)
class Decoder:
    """A suffix of the model, by the first component in it."""

    name: str
    layer: int | None = None  # None: only what comes after the last block
    from_mlp: bool = False

    @property
    def depth(self) -> float:
        """How deep a row may be and still enter: see `lens_plan.Row`."""
        return float("inf") if self.layer is None else 2 * self.layer - 1 + self.from_mlp


def parse_decoder(model: Loaded, name: str | Sequence[str]) -> Decoder:
    """The suffix that a name, or the names of its modules, mean in this model.

    Raises InputError for a name of another form or modules that are no suffix, TargetError for a
    block that is not there, and CapabilityError where the suffix cannot be entered.
    """
    if isinstance(name, list | tuple):
        name = _suffix_of(model, name)
    last = model.anatomy.n_layers - 1
    short = {"last_block": f"L{last}", "last_mlp": f"L{last}.mlp"}
    name = short.get(name, name) if isinstance(name, str) else name
    if name == "final_norm":
        return Decoder(name)
    match = re.fullmatch(r"L([0-9]{1,9})(\.mlp)?", name) if isinstance(name, str) else None
    if match is None:
        raise InputError(
            f"decoder {name!r} names no suffix of the model",
            field="decoder",
            value=name,
            legal=LEGAL,
            fix=f'decoder="L{last}" runs the last block on every row',
        )
    layer, from_mlp = int(match[1]), match[2] is not None
    if layer > last:
        raise TargetError(
            f"layer {layer} is not in this model: {model.name} has layers 0-{last}",
            field="decoder",
            value=name,
            legal=f"layers 0-{last}",
        )
    if from_mlp and not model.block(layer).parallel:
        refuse(model.anatomy, SiteKey("resid_mid", layer), model.name, "decoder")
    return Decoder(f"L{layer}{match[2] or ''}", layer, from_mlp)


def _suffix_of(model: Loaded, names: Sequence[str]) -> str:
    """The decoder that these modules are: ["h.47", "final_layernorm", "lm_head"] is "L47".

    Names are those of `named_modules()`, or ends of them; "final_layernorm" and "lm_head" are the
    final norm and the unembedding of every model. Raises InputError where the modules are not the
    end of the model, without a gap.
    """
    rest = [str(name) for name in names]
    head = model.anatomy.head
    unembedding = head.unembedding if head is not None else ""
    chain = head.chain if head is not None else ()
    if rest and (rest[-1] == HEAD_NAME or _ends(unembedding, rest[-1])):
        rest.pop()
    if rest and (rest[-1] in FINAL_NAMES or any(_ends(name, rest[-1]) for name in chain)):
        rest.pop()
    blocks = {block.layer: block.module for block in model.anatomy.blocks}
    for first in blocks:
        for parts, decoder in _ways(model, first):
            if len(parts) == len(rest) and all(map(_ends, parts, rest)):
                return decoder
    if not rest and names:
        return "final_norm"
    last = max(blocks)
    raise InputError(
        f"decoder {list(names)!r} is no end of {model.name}: the modules must follow one another, "
        f"up to the last block, {blocks[last]!r}",
        field="decoder",
        value=list(map(str, names)),
        legal=f'[{blocks[last]!r}, "final_layernorm", "lm_head"], or "L{last}"',
        fix=f'decoder="L{last}" runs the last block on every row',
    )


def _ways(model: Loaded, first: int) -> list[tuple[list[str], str]]:
    """How a suffix from block `first` on may be written, and what it is called here."""
    anatomy = model.anatomy
    later = [block.module for block in anatomy.blocks[first + 1 :]]
    block = anatomy.blocks[first]
    whole = [([block.module, *later], f"L{first}")]
    if block.mixer is None or block.feed_forward is None:
        return whole
    mixer = block.attention.output_map if block.why_no_heads is None else block.mixer.added.module
    attention, mlp = (
        _branch(block.module, name or "") for name in (mixer, block.feed_forward.output_map)
    )
    return [
        *whole,
        ([attention, mlp, *later], f"L{first}"),
        ([mlp, *later], f"L{first}.mlp"),
    ]


def _branch(block: str, inside: str) -> str:
    """The module of a block that something in it belongs to: h.3.mlp of h.3.mlp.c_proj."""
    return f"{block}.{inside.removeprefix(f'{block}.').split('.')[0]}"


def _ends(whole: str, name: str) -> bool:
    return whole == name or whole.endswith(f".{name}")


@torch.no_grad()
def through_suffix(
    run: Run,
    states: Float[Tensor, "pos d_model"],
    decoder: Decoder,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Float[Tensor, "pos d_unembed"]:
    """What the unembedding would read if these states, at every position, entered the suffix."""
    if decoder.layer is None:
        return _edited(run, run.model.final_norm(states))
    request = forward.request_of(
        run,
        ["final_norm"],
        (*_entering(run.model, states, decoder), *_inside(run, decoder)),
        start=(decoder.layer, states),
    )
    return forward.run(run.model, request, cancel, progress)["final_norm"]


def edits_final_norm(run: Run) -> bool:
    """Whether even the plain lens has an edit in its suffix."""
    return any(_site_key(run.model, edit) == FINAL for edit in run.edits)


def _edited(run: Run, states: Tensor) -> Tensor:
    """What the unembedding reads, with the run's edits of that."""
    for edit in resolve_edits(run.model, run.edits, run.lengths):
        if edit.target.site_key == FINAL:
            states = edit.apply(states, run.lengths)
    return states


def _entering(model: Loaded, states: Tensor, decoder: Decoder) -> list[Edit]:
    """What makes a block start at its feed-forward: the state set there, or no attention."""
    if decoder.layer is None or not decoder.from_mlp:
        return []
    if model.block(decoder.layer).parallel:
        return [zero(f"L{decoder.layer}.{model.block(decoder.layer).mixer_site}")]
    return [set_to(f"L{decoder.layer}.{model.block(decoder.layer).stream_sites[-1]}", states)]


def _inside(run: Run, decoder: Decoder) -> list[Edit]:
    """The run's edits that lie inside the suffix; what lies before it is in the states already."""
    return [edit for edit in run.edits if _is_inside(run.model, edit, decoder)]


def _is_inside(model: Loaded, edit: Edit, decoder: Decoder) -> bool:
    site, layer, encoder = _site_key(model, edit)
    if encoder:
        return True  # the suffix attends to it
    if layer is None or decoder.layer is None:
        return site != "embed"
    if layer == decoder.layer and decoder.from_mlp:
        return site not in BEFORE_MLP
    return layer >= decoder.layer


def _site_key(model: Loaded, edit: Edit) -> SiteKey:
    return at_stage(edit.node, edit.stage, model.anatomy).site_key
