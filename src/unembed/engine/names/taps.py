"""Where each site of a model is read and written, its shape and its size."""

from __future__ import annotations

from torch import Tensor

from unembed.engine.nodes import NEURON_SITES, PAIR_SITES, Target
from unembed.errors import CapabilityError
from unembed.models.anatomy import Anatomy, BlockAnatomy, Tap

SiteKey = tuple[str, int | None]
"""(site, layer); layer is None for embed, final_norm and logits."""
Index = int | slice | Tensor
EVERY = slice(None)


def taps(anatomy: Anatomy, site_key: SiteKey) -> tuple[Tap, ...]:
    """Where a site lives. The first tap is read, all are written (q, k and v maps share input)."""
    site, layer = site_key
    if site == "embed":
        return (Tap(anatomy.blocks[0].module, "input"),)
    if site == "final_norm":
        return () if anatomy.head is None else (Tap(anatomy.head.unembedding, "input"),)
    if layer is None:
        return ()
    return _block_taps(anatomy.blocks[layer], site)


def _block_taps(block: BlockAnatomy, site: str) -> tuple[Tap, ...]:
    attention, mlp = block.attention, block.mlp
    single: dict[str, Tap | None] = {
        "resid_pre": Tap(block.module, "input"),
        "z": Tap(attention.output_map, "input"),
        "attn_out": attention.added,
        "resid_mid": block.resid_mid,
        "mlp_pre": mlp.pre,
        "mlp_gate": mlp.gate,
        "mlp_post": None if mlp.output_map is None else Tap(mlp.output_map, "input"),
        "mlp_out": mlp.added,
        "resid_post": Tap(block.module, "output"),
    }
    if site == "attn_in":
        return tuple(Tap(name, "input") for name in attention.maps)
    if site == "mlp_in":
        return mlp.inputs
    tap = single[site]
    return () if tap is None else (tap,)


def why_not(anatomy: Anatomy, site_key: SiteKey) -> str | None:
    """The reason why a site cannot be seen in this layer; None where it can."""
    site, layer = site_key
    if site in anatomy.reasons:
        return anatomy.reasons[site]
    if site in ("final_norm", "logits"):
        return anatomy.reasons.get("lens") if site == "final_norm" else None
    if layer is None:
        return None
    block = anatomy.blocks[layer]
    if site == "resid_mid" and block.parallel:
        return "its blocks are parallel: attention and feed-forward read the same residual"
    if site in NEURON_SITES and block.mlp.kind == "experts":
        return block.mlp.reason
    if site == "mlp_gate" and block.mlp.gate is None:
        return block.mlp.reason or "its feed-forward has no gate"
    if site in ("mlp_pre", "mlp_post", "mlp_in", "attn_in") and not _block_taps(block, site):
        return block.mlp.reason or "its maps were not understood"
    return None


def refuse(anatomy: Anatomy, site_key: SiteKey, name: str, field: str) -> None:
    """Raise CapabilityError where a site cannot be seen."""
    reason = why_not(anatomy, site_key)
    if reason is None:
        return
    site, layer = site_key
    where = "" if layer is None else f" in layer {layer}"
    raise CapabilityError(
        f"{name} has no {site}{where}: {reason}", field=field, value=site, legal="other sites"
    )


def size_of(anatomy: Anatomy, site_key: SiteKey, n_positions: int) -> int:
    """How many numbers a captured site holds."""
    site, layer = site_key
    block = anatomy.blocks[0 if layer is None else layer]
    heads, d_head = block.attention.n_heads, block.attention.d_head
    if site in PAIR_SITES:
        return heads * n_positions * n_positions
    if site in ("q", "z"):
        return n_positions * heads * d_head
    if site in ("k", "v"):
        return n_positions * block.attention.n_kv_heads * d_head
    if site in NEURON_SITES:
        return n_positions * block.mlp.d_mlp
    if site == "logits":
        return n_positions * anatomy.vocab_size
    return n_positions * anatomy.d_model


def index_of(
    target: Target,
    width: int,
    positions: Index = EVERY,
    key: Index = EVERY,
    head: Index | None = None,
) -> tuple[Index, ...]:
    """What `target` names within its site's activation: an index of [pos, ...].

    Of scores and pattern it is one of [head, query, key], and `positions` are queries.

    Args:
        width: size of the last axis.
        head: where the target's head stands, if the activation has not all of them.
    """
    if target.is_pairs:
        named = EVERY if target.head is None else target.head
        return (named if head is None else head), positions, key
    number = target.neuron if target.index is None else target.index
    if number is not None:
        return positions, number
    if target.entry is not None:
        return positions, *divmod(target.entry, width)
    if target.head is not None:
        return positions, target.head
    return (positions,)


def taken(activation: Tensor, index: tuple[Index, ...]) -> Tensor:
    """The activation at an index: itself, not a view of it, where the index leaves nothing out.

    Gradients reach the tensor that the model went on with, and no view that was taken of it later.
    """
    return activation if all(one is EVERY for one in index) else activation[index]
