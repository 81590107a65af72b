"""What of a training cannot be, said before anything runs; and what it takes of memory."""

from __future__ import annotations

import torch

from unembed.engine.model import Model
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.names.taps import refuse
from unembed.engine.targets import SiteKey
from unembed.errors import InputError, TooLargeError
from unembed.latents.layouts.common import hook_name
from unembed.latents.load import places
from unembed.latents.memory import available
from unembed.latents.sample import width
from unembed.training.options import TrainOptions

Ends = tuple[SiteKey, SiteKey]  # what is read, and what is written
SITES = "resid_pre, resid_mid, resid_post, attn_out, mlp_out, mlp_in, mlp_post, z"
COPIES = 8  # of the weights, that a folder must have room for: two checkpoints of three, and both
HELD = 7  # times the weights: they, what Adam keeps of them, gradients, a copy for a checkpoint
STEP = 5  # numbers of a latent at a token of a batch, forwards and backwards


def ends_of(model: Model, site: str, asked: TrainOptions) -> Ends:
    """What is read and what is written. Raises for options that do not fit it, or each other."""
    reads, writes = places(site)
    for key in (reads, writes):
        check_target(parse_target(key.name, "site"), model.anatomy, model.name, "site")
        refuse(model.anatomy, key, model.name, "site")
        if hook_name(key) is None or not width(model, key):
            raise InputError(
                f"{key.name} has no name in SAELens' layout",
                field="site",
                value=site,
                legal=f"a layer's {SITES}",
            )
    if asked.k > asked.latents:
        raise InputError(
            f"k is {asked.k}, of {asked.latents} latents",
            field="k",
            value=asked.k,
            legal=f"1 to {asked.latents}",
        )
    if asked.skip and reads == writes:
        raise InputError(
            "an autoencoder has no skip: it would learn nothing else",
            field="skip",
            value=True,
            fix=f'a transcoder: site="L{reads.layer}.mlp_in>L{reads.layer}.mlp_out"',
        )
    widths = (width(model, reads), width(model, writes))
    if asked.activation == "topk" and reads != writes and widths[0] != widths[1]:
        raise InputError(
            f"no layout has a TopK transcoder from {widths[0]} to {widths[1]} numbers",
            field="activation",
            value="topk",
            legal='"batchtopk" or "jumprelu"',
        )
    return reads, writes


def check_size(model: Model, asked: TrainOptions, ends: Ends) -> None:
    """Raise TooLargeError for more weights than the limit, or more than there is memory for."""
    size, limit = weight_bytes(model, asked, ends), model.settings.max_sae_bytes
    if size > limit:
        raise TooLargeError(
            f"{asked.latents:,} latents at {ends[0].name} take {size / 2**20:,.0f} MiB; the limit "
            f"is {limit / 2**20:,.0f} MiB (max_sae_bytes)",
            field="latents",
            value=asked.latents,
            fix="fewer latents, or a higher UNEMBED_MAX_SAE_BYTES",
        )
    needed, there = memory_bytes(model, asked, ends), available()
    if model.device.type == "cpu" and there is not None and needed > there:
        raise TooLargeError(
            f"training takes about {needed / 2**20:,.0f} MiB of memory, and {there / 2**20:,.0f} "
            "MiB are left on this machine",
            field="buffer" if needed - size * HELD > size * HELD else "latents",
            value=asked.buffer if needed - size * HELD > size * HELD else asked.latents,
            legal=f"what takes at most {there / 2**20:,.0f} MiB",
            fix="fewer latents, or a smaller buffer or batch",
        )


def weight_bytes(model: Model, asked: TrainOptions, ends: Ends) -> int:
    """Of the weights, in the precision that they are learnt in."""
    each = _bytes_each(model)
    d_in, d_out = (width(model, key) for key in ends)
    return each * (asked.latents * (d_in + d_out) + (d_in * d_out if asked.skip else 0))


def memory_bytes(model: Model, asked: TrainOptions, ends: Ends) -> int:
    """About what training takes at most beside the model and the ids of its texts."""
    each, (reads, writes) = _bytes_each(model), ends
    numbers = sum(width(model, key) for key in dict.fromkeys((reads, writes)))
    buffer = 2 * asked.block * numbers  # as runs gave it, and put together
    step = STEP * asked.batch * asked.latents
    return HELD * weight_bytes(model, asked, ends) + each * (buffer + step)


def _bytes_each(model: Model) -> int:
    return 8 if model.dtype == torch.float64 else 4
