"""Where each site of a model is read and written, its shape and its size."""

from __future__ import annotations

from torch import Tensor

from unembed.engine.nodes import (
    CROSS,
    CROSS_SITES,
    HEAD_SITES,
    KEY_SITES,
    MIXER_SITES,
    NEURON_SITES,
    PLE_SITES,
)
from unembed.engine.targets import Lengths, SiteKey, Target
from unembed.errors import CapabilityError
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy, MlpAnatomy, Tap

MLP_SITES = ("mlp_in", *NEURON_SITES, "mlp_out")
Index = int | slice | Tensor
EVERY = slice(None)


def taps(anatomy: Anatomy, site_key: SiteKey) -> tuple[Tap, ...]:
    """Where a site lives. The first tap is read, all are written (q, k and v maps share input)."""
    site, layer, encoder = site_key
    stack = anatomy.stack(encoder)
    if site == "embed":
        return (Tap(stack.blocks[0].module, "input"),)
    if site == "out":
        return () if anatomy.encoded is None else (anatomy.encoded,)
    if site == "final_norm":
        return () if anatomy.head is None else (Tap(anatomy.head.unembedding, "input"),)
    if layer is None:
        return ()
    return _block_taps(stack.blocks[layer], site)


def _block_taps(block: BlockAnatomy, site: str) -> tuple[Tap, ...]:
    if site in ("resid_pre", "resid_post"):
        return (Tap(block.module, "input" if site == "resid_pre" else "output"),)
    if site == "resid_mid":
        return () if block.resid_mid is None else (block.resid_mid,)
    if site.startswith("mlp"):
        return () if block.feed_forward is None else _mlp_taps(block.feed_forward, site)
    if site in CROSS_SITES:
        return _cross_taps(block, site)
    if site in PLE_SITES:
        extra = block.per_layer
        return () if extra is None else _ends(extra.inputs, extra.added, site)
    if site in MIXER_SITES:
        return () if block.box is None else _ends(block.box.inputs, block.box.added, site)
    mixer = block.mixer
    if mixer is None:
        return ()
    if site == "z":
        whole = isinstance(mixer, AttentionAnatomy)
        return (block.attention.z,) if whole else ()
    if site not in ("attn_in", "attn_out") or not mixer.is_attention:
        return ()
    return _ends(mixer.inputs, mixer.added, site)


def _ends(inputs: tuple[Tap, ...], added: Tap, site: str) -> tuple[Tap, ...]:
    return inputs if site.endswith("_in") else (added,)


def _cross_taps(block: BlockAnatomy, site: str) -> tuple[Tap, ...]:
    cross = block.cross
    if cross is None:
        return ()
    if site == "resid_mid_cross":
        return () if block.resid_mid_cross is None else (block.resid_mid_cross,)
    if site == "cross_z":
        return (cross.z,)
    return {"cross_in": cross.inputs, "cross_out": (cross.added,)}.get(site, ())


def _mlp_taps(mlp: MlpAnatomy, site: str) -> tuple[Tap, ...]:
    if site == "mlp_in":
        return mlp.inputs
    single: dict[str, Tap | None] = {
        "mlp_pre": mlp.pre,
        "mlp_gate": mlp.gate,
        "mlp_post": mlp.post,
        "mlp_out": mlp.added,
    }
    tap = single[site]
    return () if tap is None else (tap,)


def why_not(anatomy: Anatomy, site_key: SiteKey) -> str | None:
    """The reason why a site cannot be seen in this layer; None where it can."""
    site, layer, encoder = site_key
    stack = anatomy.stack(encoder)
    own = None if layer is None else _why_not_in(stack.blocks[layer], site)
    if own is not None:
        return own
    lens = "lens" if site == "final_norm" else site
    return stack.reasons.get(site, stack.reasons.get(lens))


def _why_not_in(block: BlockAnatomy, site: str) -> str | None:
    if site == "resid_mid":
        return _why_no_middle(block)
    if site in MLP_SITES:
        return _why_not_of_mlp(block, site)
    if site in CROSS_SITES:
        return None if block.cross is not None else "its layers do not attend to an encoder"
    if site in HEAD_SITES:
        if site == "sink" and block.why_no_heads is None and not block.attention.sink:
            return f"the attention of layer {block.layer} has no sink: its rows sum to 1"
        return block.why_no_heads
    if site in ("attn_in", "attn_out", *MIXER_SITES):
        return _why_not_of_mixer(block, site)
    if site in PLE_SITES and block.per_layer is None:
        return f"layer {block.layer} adds nothing from a per-layer embedding"
    return None


def _why_no_middle(block: BlockAnatomy) -> str | None:
    if block.parallel:
        return "its blocks are parallel: attention and feed-forward read the same residual"
    if block.arrangement == "single":
        return f"layer {block.layer} adds to the residual stream once, so it has no middle"
    return None


def _why_not_of_mixer(block: BlockAnatomy, site: str) -> str | None:
    mixer = block.mixer
    if mixer is None:
        return f"layer {block.layer} is a feed-forward alone"
    beside = block.beside is not None and site in MIXER_SITES
    if mixer.is_attention != site.startswith("attn") and not beside:
        other = (
            site.replace("mixer", "attn") if mixer.is_attention else site.replace("attn", "mixer")
        )
        words = "attention" if mixer.is_attention else mixer.kind
        return f"the token mixer of layer {block.layer} is {words}: it has {other}"
    if not _block_taps(block, site):
        return "what its token mixer reads was not understood"
    return None


def _why_not_of_mlp(block: BlockAnatomy, site: str) -> str | None:
    mlp = block.feed_forward
    if mlp is None:
        return f"layer {block.layer} has no feed-forward"
    if site in NEURON_SITES and mlp.kind == "experts":
        return mlp.reason
    if site == "mlp_gate" and mlp.gate is None:
        return mlp.reason or "its feed-forward has no gate"
    if not _mlp_taps(mlp, site):
        return mlp.reason or "its maps were not understood"
    return None


def refuse(anatomy: Anatomy, site_key: SiteKey, name: str, field: str) -> None:
    """Raise CapabilityError where a site cannot be seen."""
    reason = why_not(anatomy, site_key)
    if reason is None:
        return
    site, layer, encoder = site_key
    where = "" if layer is None else f" in layer {layer}"
    where += " of its encoder" if encoder else ""
    raise CapabilityError(
        f"{name} has no {site}{where}: {reason}", field=field, value=site, legal="other sites"
    )


def attention_of(anatomy: Anatomy, site_key: SiteKey) -> AttentionAnatomy:
    """The attention that a site of heads is of. Raises CapabilityError where no heads are known."""
    block = anatomy.stack(site_key.encoder).blocks[site_key.layer or 0]
    return block.crossed if site_key.site.startswith(CROSS) else block.attention


def size_of(anatomy: Anatomy, site_key: SiteKey, lengths: Lengths) -> int:
    """How many numbers a captured site holds."""
    site, layer, encoder = site_key
    stack, n_positions = anatomy.stack(encoder), lengths.of(site_key)
    if site == "logits":
        return n_positions * anatomy.vocab_size
    if layer is None:
        return n_positions * stack.d_model
    if site in HEAD_SITES:
        attention = attention_of(anatomy, site_key)
        if site_key.is_pairs:
            return attention.n_heads * n_positions * lengths.keys_of(site_key)
        if site == "sink":
            return attention.n_heads * n_positions
        heads = attention.n_kv_heads if site in KEY_SITES else attention.n_heads
        return n_positions * heads * attention.d_head
    if site in NEURON_SITES:
        return n_positions * stack.blocks[layer].d_mlp
    return n_positions * stack.d_model


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
        return positions, target.head if head is None else head
    return (positions,)


def taken(activation: Tensor, index: tuple[Index, ...]) -> Tensor:
    """The activation at an index: itself, not a view of it, where the index leaves nothing out.

    Gradients reach the tensor that the model went on with, and no view that was taken of it later.
    """
    return activation if all(one is EVERY for one in index) else activation[index]
