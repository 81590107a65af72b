"""Whose attention is looked at: the layers' own, that of a decoder to its encoder, the encoder's.

Every name, size and token of it depends on that alone: "L3.H2", "L3.X2" or "E3.H2"; queries and
keys of the prompt or of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from unembed.analyses.attention.options import Part
from unembed.analyses.tools.checks import checked_layers
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.resolving import masked, resolve_edits
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import attention_of, refuse, why_not
from unembed.engine.names.tokens import Token
from unembed.engine.names.vocabulary import Read
from unembed.engine.nodes import CROSS
from unembed.engine.passes import forward
from unembed.engine.targets import Lengths, SiteKey, Target, node
from unembed.errors import CapabilityError
from unembed.models.progress import Progress


def check_part(model: Loaded, part: Part) -> None:
    """Raise CapabilityError where a model does not have this part, or no heads are known of it."""
    if part == "self":
        model.require("pattern")
    elif not model.has_encoder:
        raise CapabilityError(
            f"{model.name} has one stack of blocks: part={part!r} is of encoder-decoders",
            field="part",
            value=part,
            legal='"self"',
        )


def site_key(part: Part, site: str, layer: int) -> SiteKey:
    """Which activation a site of attention is: `pattern` of layer 3, or its `cross_pattern`."""
    return SiteKey(f"{CROSS if part == 'cross' else ''}{site}", layer, part == "encoder")


def layers_of(model: Loaded, part: Part, layers: Sequence[int] | None) -> list[int]:
    """The layers asked for, all of which have such heads; or all that have.

    Raises InputError for one that there is not, CapabilityError for one without heads.
    """
    check_part(model, part)
    encoder = part == "encoder"
    if layers is not None:
        chosen = checked_layers(model, layers, encoder=encoder)
        for layer in chosen:
            refuse(model.anatomy, site_key(part, "pattern", layer), model.name, "layers")
        return chosen
    every = range(model.anatomy.stack(encoder).n_layers)
    keys = {layer: site_key(part, "pattern", layer) for layer in every}
    found = [layer for layer, key in keys.items() if why_not(model.anatomy, key) is None]
    if not found:
        refuse(model.anatomy, keys[0], model.name, "part")
    return found


def n_heads(model: Loaded, part: Part, layer: int) -> int:
    """How many heads a layer has. Raises CapabilityError where none are known."""
    return attention_of(model.anatomy, site_key(part, "pattern", layer)).n_heads


def heads_by_layer(model: Loaded, part: Part) -> list[int]:
    """How many heads each layer has; 0 where none are known. Empty without an encoder."""
    if part != "self" and not model.has_encoder:
        return []
    every = range(model.anatomy.stack(part == "encoder").n_layers)
    known = [why_not(model.anatomy, site_key(part, "pattern", one)) is None for one in every]
    return [n_heads(model, part, one) if known[one] else 0 for one in every]


def head_of(part: Part, layer: int, head: int) -> Target:
    """One head, as a node: "L3.H2", "L3.X2", "E3.H2"."""
    found = node("cross_head" if part == "cross" else "head", layer, head)
    if part != "encoder":
        return found
    found = replace(found, encoder=True)
    return replace(found, text=found.name)


def tokens_of(model: Loaded, read: Read, part: Part) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """(those that look, those that are looked at)."""
    prompt, source = model.tokens(read.ids), model.tokens(read.source)
    if part == "self":
        return prompt, prompt
    return (prompt if part == "cross" else source), source


def as_seen(model: Loaded, read: Read, edits: Sequence[Edit]) -> Read:
    """A prompt as the model gets it: with its mask token where an edit says so."""
    lengths = Lengths(len(read.ids), len(read.source))
    resolved = resolve_edits(model, edits, lengths)
    return replace(read, ids=masked(model, read.ids, resolved))


def watch_patterns(
    model: Loaded,
    read: Read,
    part: Part,
    layers: Sequence[int],
    see: Callable[[int, Tensor], None],
    *,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> None:
    """Run the model and call `see` with (layer, pattern [head, query, key]), layer after layer.

    None of them is kept, so that all heads of a long text are looked at in the memory of one layer.
    """
    request = forward.request_of(
        read,
        [site_key(part, "pattern", layer).name for layer in layers],
        edits,
        show=lambda key, pattern: see(key.layer or 0, pattern),
    )
    forward.run(model, request, cancel, progress)
