"""What a lens is asked for, checked against a model and a prompt before anything runs."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unembed.analyses.lens.decoders import Decoder, parse_decoder
from unembed.analyses.lens.options import Follow, LensOptions, Positions
from unembed.analyses.tools.checks import checked_top_k
from unembed.analyses.tools.target import Rated, read_target
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import refuse
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError, InputError, TooLargeError


@dataclass(frozen=True)
class Row:
    """A state of the residual stream: the sum of these sites.

    `depth` orders rows: -1 is the embedding, 2·layer after attention, 2·layer + 1 after the block.
    """

    name: str
    sites: tuple[str, ...]
    depth: int


@dataclass(frozen=True)
class LensPlan:
    """Everything that a lens will read, and how. Its last row is the model's own output."""

    rows: tuple[Row, ...]
    positions: tuple[int, ...]
    n_prompt: int
    decoder: Decoder
    top_k: int
    target: Rated | None
    follow: Follow
    kl_floor: float | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows, bottom to top."""
        return tuple(row.name for row in self.rows)

    @property
    def capture(self) -> tuple[str, ...]:
        """What a run must have captured to be read by this plan."""
        sites = [site for row in self.rows[:-1] for site in row.sites]
        return (*dict.fromkeys(sites), "final_norm")


def plan_lens(model: Loaded, n_prompt: int, options: LensOptions) -> LensPlan:
    """The lens of a prompt of `n_prompt` tokens.

    Raises:
        InputError, TargetError: an option that means nothing, or not on this model and prompt.
        CapabilityError: this model's states cannot be unembedded, or not in the way asked for.
    """
    model.require("lens")
    decoder = parse_decoder(model, options.decoder)
    target = read_target(model, options.target)
    _check_follow(model, target, options.follow)
    return LensPlan(
        rows=_rows(model, options, decoder),
        positions=_positions(options.positions, n_prompt),
        n_prompt=n_prompt,
        decoder=decoder,
        top_k=checked_top_k(model, options.top_k),
        target=target,
        follow=options.follow,
        kl_floor=checked_floor(model, options.kl_floor),
    )


def check_cells(plan: LensPlan, limit: int, n_runs: int = 1) -> None:
    """Raise TooLargeError for more cells than the limit, before anything runs."""
    n_rows, n_positions = n_runs * len(plan.rows), len(plan.positions)
    cells = n_rows * n_positions
    if cells <= limit:
        return
    passes = n_runs * (len(plan.rows) - 1)
    suffix = "" if plan.decoder.layer is None else f", and {passes} passes through its decoder"
    raise TooLargeError(
        f"the lens would have {n_rows} rows x {n_positions} positions = {cells:,} cells{suffix}; "
        f"the limit is {limit:,} cells (max_lens_cells): read fewer positions, take a larger "
        "layer_step, or leave sub-blocks or edits out",
        field="prompt",
        value=cells,
        legal=f"at most {limit:,} cells",
    )


# ---------------------------------------------------------------- rows


def _rows(model: Loaded, options: LensOptions, decoder: Decoder) -> tuple[Row, ...]:
    """The rows that may enter the decoder, and the model's own output."""
    *inner, last = _all_rows(model, options)
    return (*(row for row in inner if row.depth <= decoder.depth), last)


def _all_rows(model: Loaded, options: LensOptions) -> Iterator[Row]:
    last = model.anatomy.n_layers - 1
    if options.include_embedding:
        yield Row("embed", ("embed",), -1)
    for layer in range(last + 1):
        if layer % options.layer_step and layer != last:
            continue
        if options.subblocks and model.block(layer).arrangement != "single":
            yield _after_attention(model, layer)
            if model.block(layer).cross is not None:
                name = f"L{layer}.resid_mid_cross"
                yield Row(name, (name,), 2 * layer)
        name = f"L{layer}.resid_post"
        yield Row(name, (name,), 2 * layer + 1)


def _after_attention(model: Loaded, layer: int) -> Row:
    """`resid_mid`; in a parallel block, which has none, the stream with attention's write alone."""
    if model.block(layer).parallel:
        added = model.block(layer).branch_sites[0]
        refuse(model.anatomy, SiteKey(added, layer), model.name, "subblocks")
        sites = (f"L{layer}.resid_pre", f"L{layer}.{added}")
        return Row(f"L{layer}.resid_pre+{added}", sites, 2 * layer)
    refuse(model.anatomy, SiteKey("resid_mid", layer), model.name, "subblocks")
    return Row(f"L{layer}.resid_mid", (f"L{layer}.resid_mid",), 2 * layer)


# ---------------------------------------------------------------- positions


def _positions(positions: Positions, n_prompt: int) -> tuple[int, ...]:
    """The positions to read, ascending, each once."""
    if positions is None:
        return tuple(range(n_prompt))
    found = {_resolved(one, n_prompt) for one in _listed(positions, n_prompt)}
    if not found:
        raise InputError(
            f"positions {positions!r} names none of the {n_prompt} positions of this prompt",
            field="positions",
            value=str(positions),
            legal=f"-{n_prompt} to {n_prompt - 1}",
        )
    return tuple(sorted(found))


def _listed(positions: int | slice | Iterable[int], n_prompt: int) -> Iterable[int]:
    if isinstance(positions, slice):
        return range(n_prompt)[positions]
    return positions if isinstance(positions, Iterable) else [positions]


def _resolved(position: int, n_prompt: int) -> int:
    try:
        whole = operator.index(position)
    except TypeError:
        whole = None
    if whole is None or isinstance(position, bool):
        raise InputError(
            f"positions holds {position!r}; positions are whole numbers",
            field="positions",
            value=str(position),
            legal=f"-{n_prompt} to {n_prompt - 1}",
        )
    return resolve_position(whole, n_prompt, "positions")


# ---------------------------------------------------------------- what is scored


def _check_follow(model: Loaded, target: Rated | None, follow: Follow) -> None:
    if target is not None and follow != "final":
        raise InputError(
            f"target and follow={follow!r} both say which token is scored; give one of them",
            field="follow",
            value=follow,
            legal='"final" where there is a target',
        )
    if follow == "next" and model.kind == "masked":
        raise CapabilityError(
            f"{model.name} is a masked model: a position predicts its own token, not the next one",
            field="follow",
            value=follow,
            legal='"final" or "input"',
            fix='use follow="input", which scores the token at the position itself',
        )


def checked_floor(model: Loaded, floor: float | None) -> float | None:
    if floor is None:
        return None
    number = isinstance(floor, int | float) and not isinstance(floor, bool)
    if not number or not 0 < floor <= 1 / model.vocab_size:
        raise InputError(
            f"kl_floor is {floor!r}; a floor on the probability of each of {model.vocab_size} "
            f"tokens lies above 0 and is at most {1 / model.vocab_size:.3g}",
            field="kl_floor",
            value=floor if number else str(floor),
            legal=f"above 0, at most {1 / model.vocab_size:.3g}",
            fix=f"kl_floor={0.1 / model.vocab_size:.3g} is a tenth of an even share",
        )
    return float(floor)
