"""A suffix of the model by the names of its modules, as other lenses take it: every module that a
row is run through, in order, ending in the final norm and the unembedding.
"""

from __future__ import annotations

from collections.abc import Sequence

from unembed.engine.loaded import Loaded
from unembed.errors import InputError

FINAL = ("final_layernorm", "final_norm")
HEAD = "lm_head"


def suffix_of(model: Loaded, names: Sequence[str]) -> str:
    """The decoder that these modules are: ["h.47", "final_layernorm", "lm_head"] is "L47".

    Names are those of `named_modules()`, or ends of them; "final_layernorm" and "lm_head" are the
    final norm and the unembedding of every model. Raises InputError where the modules are not the
    end of the model, without a gap.
    """
    rest = [str(name) for name in names]
    head = model.anatomy.head
    unembedding = head.unembedding if head is not None else ""
    chain = head.chain if head is not None else ()
    if rest and (rest[-1] == HEAD or _ends(unembedding, rest[-1])):
        rest.pop()
    if rest and (rest[-1] in FINAL or any(_ends(name, rest[-1]) for name in chain)):
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
    attention, mlp = (
        _branch(block.module, name or "")
        for name in (block.attention.output_map, block.mlp.output_map)
    )
    return [
        ([block.module, *later], f"L{first}"),
        ([attention, mlp, *later], f"L{first}"),
        ([mlp, *later], f"L{first}.mlp"),
    ]


def _branch(block: str, inside: str) -> str:
    """The module of a block that something in it belongs to: h.3.mlp of h.3.mlp.c_proj."""
    return f"{block}.{inside.removeprefix(f'{block}.').split('.')[0]}"


def _ends(whole: str, name: str) -> bool:
    return whole == name or whole.endswith(f".{name}")
