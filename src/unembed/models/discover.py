"""Finding the anatomy of a model by its structure.

One short forward pass is written down (`trace`) and read: which module made the attention call,
what joined the residual stream, what the last residual went through. Every finding is an equation
between tensors that were seen, so no family needs a table; where no equation holds, the anatomy
carries the reason instead of a guess. `engine.selfcheck` then proves the result on other input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

from torch import Tensor, nn

from unembed.errors import LoadError
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy
from unembed.models.discover_block import BlockReader
from unembed.models.discover_head import read_head, read_label_head
from unembed.models.equations import combination, same
from unembed.models.labels import labels_of
from unembed.models.maps import input_embeddings
from unembed.models.trace import Call, KernelCall, Trace, record

Found = tuple[Call, KernelCall | None]
"""A block, and the call of an attention kernel in it."""
SITES_OF_ATTENTION = ("q", "k", "v", "scores", "pattern")
SHOWN_MODULES = 4


def discover(
    model: nn.Module, ids: Tensor, name: str, skipped: frozenset[str] = frozenset()
) -> Anatomy:
    """Read the anatomy of `model` off one forward pass on `ids` [1, pos].

    `skipped` are blocks that hand on what they are given: they are not part of the anatomy.

    Raises:
        LoadError: the model has no chain of blocks that could be understood.
    """
    config = model.config.get_text_config()  # type: ignore[union-attr,operator]
    family = str(getattr(config, "model_type", type(model).__name__))
    trace = record(model, ids, skipped)
    found = find_blocks(trace, name, family)
    _check_positions(found, ids.shape[-1], name)
    anatomy = read_stack(model, found, trace, config, family, name)
    reasons = dict(anatomy.reasons)
    labels = labels_of(model)
    if labels is not None:
        reasons.update(dict.fromkeys(("logits", "lens"), labels.reason))
    head = read_head(model, found[-1][0], trace, config, reasons)
    scores = None
    if labels is not None:
        scores = read_label_head(found[-1][0], trace, len(labels.names), config)
    return replace(anatomy, head=head, label_head=scores, reasons=reasons)


def read_stack(
    model: nn.Module,
    found: list[Found],
    trace: Trace,
    config: Any,
    family: str,
    name: str,
    crosses: Sequence[KernelCall | None] = (),
) -> Anatomy:
    """The anatomy of blocks that hand one residual stream on, without what comes behind them.

    `crosses` has the attention of each to an encoder, where it has one.
    """
    _check_stream(found, trace, name)
    reasons: dict[str, str] = {}
    crosses = crosses or [None] * len(found)
    blocks = tuple(
        _read_block(layer, each, trace, config, name, cross)
        for layer, (each, cross) in enumerate(zip(found, crosses, strict=True))
    )
    blocks = _with_shared_keys(blocks, [kernel for _, kernel in found])
    for layer, (_, kernel) in enumerate(found):
        for site in SITES_OF_ATTENTION if kernel is not None else ():
            if kernel is not None and site not in kernel.seen:
                reasons.setdefault(
                    site, f"layer {layer}'s attention code shows no {site} of the usual form"
                )
    attention = [block.mixer for block in blocks if isinstance(block.mixer, AttentionAnatomy)]
    stream = found[0][0].input
    return Anatomy(
        family=family,
        n_layers=len(blocks),
        n_heads=max((one.n_heads for one in attention), default=0),
        n_kv_heads=max((one.n_kv_heads for one in attention), default=0),
        d_model=0 if stream is None else stream.shape[-1],
        d_head=max((one.d_head for one in attention), default=0),
        d_mlp=max(block.d_mlp for block in blocks),
        vocab_size=_vocab_size(model, trace),
        blocks=blocks,
        head=None,
        reasons=reasons,
    )


def _vocab_size(model: nn.Module, trace: Trace) -> int:
    """How many tokens there are to predict, or to read where labels are given."""
    if trace.logits is None:
        return int(input_embeddings(model).weight.shape[0])
    return trace.logits.shape[-1]


# ---------------------------------------------------------------- blocks


def find_blocks(trace: Trace, name: str, family: str) -> list[Found]:
    """The block around each attention call: the outermost list member that holds just that one.

    Their neighbours in the same list are blocks too, with a token mixer of another kind or with
    none. Without any attention, the longest list whose members hand a residual stream on.
    """
    calls = [kernel for kernel in trace.kernels if "pattern" in kernel.seen]
    found: dict[str, list[Found]] = {}
    for kernel in calls:
        holders = [
            call
            for call in kernel.call.ancestors()
            if call.name.rsplit(".", 1)[-1].isdigit()
            and sum(other.call.within(call) for other in calls) == 1
        ]
        if not holders:
            raise LoadError(
                f"{name} ({family}): the attention of {kernel.call.name} is not inside a list of "
                "blocks with one attention each, so its layers could not be told apart"
            )
        block = holders[-1]
        found.setdefault(_list_of(block), []).append((block, kernel))
    if not found:
        return [(block, None) for block in _longest_chain(trace, name, family)]
    with_attention = {block.name for blocks in found.values() for block, _ in blocks}
    others: list[Found] = [
        (call, None)
        for call in trace.calls
        if _list_of(call) in found and call.name not in with_attention
    ]
    return sorted([*chain(*found.values()), *others], key=lambda each: each[0].start)


def _list_of(call: Call) -> str:
    """The name of the list that a module is a numbered member of; empty where it is in none."""
    parent, _, last = call.name.rpartition(".")
    return parent if last.isdigit() else ""


def _longest_chain(trace: Trace, name: str, family: str) -> list[Call]:
    """The members of the list that hands on the residual stream through most blocks."""
    lists: dict[str, list[Call]] = {}
    for call in trace.calls:
        if _list_of(call):
            lists.setdefault(_list_of(call), []).append(call)
    chains = [
        members
        for members in lists.values()
        if len(members) > 1
        and all(_hands_on(call) for call in members)
        and all(_factor(before, after) is not None for before, after in pairwise(members))
    ]
    if not chains:
        most = max(lists, key=lambda each: len(lists[each]), default="")
        kind = f", not even {most} ({type(lists[most][0].module).__name__})," if most else ""
        raise LoadError(
            f"{name} ({family}) makes no attention call of a known form and has no list of blocks"
            f"{kind} that hand a residual stream on, so its layers could not be told apart"
        )
    return max(chains, key=len)


def _factor(before: Call, after: Call) -> float | None:
    """How many times what one block returns the next one reads; None where it is not a multiple."""
    if before.output is None or after.input is None:
        return None
    if same(before.output, after.input):
        return 1.0
    found = combination(after.input, [before.output])
    return None if found is None else found[0]


def _hands_on(call: Call) -> bool:
    one, other = call.input, call.output
    return one is not None and other is not None and one.shape == other.shape


def _check_positions(found: list[Found], n_positions: int, name: str) -> None:
    """Each position of a block's input must be one of the prompt."""
    for layer, (block, _) in enumerate(found):
        n = n_positions if block.input is None else len(block.input)
        if n == n_positions:
            continue
        several = f"{n // n_positions} for each" if n % n_positions == 0 else "some beside the text"
        raise LoadError(
            f"{name}: {block.name} (layer {layer}) reads {n} vectors for a prompt of {n_positions} "
            f"tokens, {several}, so there is no one residual stream at each token"
        )


def _check_stream(found: list[Found], trace: Trace, name: str) -> None:
    for layer, (block, _) in enumerate(found):
        if block.input is None or block.output is None or block.input.shape != block.output.shape:
            raise LoadError(
                f"{name}: what enters {block.name} (layer {layer}) and what leaves it have "
                "different shapes, so there is no residual stream to follow"
            )
    for layer, (before, after) in enumerate(pairwise(found)):
        if not same(before[0].output, after[0].input):
            raise LoadError(
                f"{name}: the residual stream changes between layers {layer} and {layer + 1}, "
                f"outside both: what {before[0].name} returns is not what {after[0].name} reads"
                f"{_said_between(before[0], after[0], trace)}"
            )


def _said_between(before: Call, after: Call, trace: Trace) -> str:
    """What happens between two blocks: a layer may be no module of its own (XLM)."""
    between = [
        call
        for call in trace.calls
        if before.end < call.start
        and call.end < after.start
        and not (call.parent is not None and call.parent.start > before.end)
    ]
    factor = _factor(before, after)
    if factor is not None:
        return f", but {factor:.4g} times that: a factor between layers is not understood"
    if not between:
        return ", and what lies between is not understood"
    names = ", ".join(call.name for call in between[:SHOWN_MODULES])
    more = " ..." if len(between) > SHOWN_MODULES else ""
    return f"; between them run {names}{more}, which are in neither"


def _read_block(
    layer: int, found: Found, trace: Trace, config: Any, name: str, cross: KernelCall | None = None
) -> BlockAnatomy:
    block, kernel = found
    inside = _called_once(call for call in trace.calls if call.within(block) and call is not block)
    if block.input is None:
        raise LoadError(f"{name}: layer {layer} takes no activation")
    reader = BlockReader(layer, block, block.input, inside, kernel, trace.own_code, config, cross)
    anatomy = reader.read()
    if anatomy is None:
        raise LoadError(
            f"{name}: what layer {layer} ({type(block.module).__name__}) adds to the residual "
            "stream is not its token mixer's and its feed-forward's output in any known order: "
            f"{reader.step()}; it is refused because its numbers could be wrong"
        )
    for call in inside:
        if call.name in (anatomy.stream_norms or ()) and call.n_outputs:
            raise LoadError(
                f"{name}: the residual stream of layer {layer} passes {call.name} "
                f"({type(call.module).__name__}), which takes and returns {call.n_outputs} things, "
                "so it cannot be applied to a state alone, as the analyses must"
            )
    return anatomy


def _with_shared_keys(
    blocks: tuple[BlockAnatomy, ...], kernels: list[KernelCall | None]
) -> tuple[BlockAnatomy, ...]:
    """With the layers named whose keys and values are those of an earlier layer."""
    seen: list[KernelCall] = []
    named = []
    for block, kernel in zip(blocks, kernels, strict=True):
        if kernel is None or not isinstance(block.mixer, AttentionAnatomy):
            named.append(block)
            continue
        source = next((one for one in seen if _same_keys(one, kernel)), None)
        if source is None:
            seen.append(kernel)
        shared = None if source is None else source.call.name
        named.append(replace(block, mixer=replace(block.mixer, keys_of=shared)))
    return tuple(named)


def _same_keys(one: KernelCall, other: KernelCall) -> bool:
    pairs = [(one.seen.get(site), other.seen.get(site)) for site in ("k", "v")]
    return all(
        left is not None and right is not None and left.shape == right.shape and left.equal(right)
        for left, right in pairs
    )


def _called_once(calls: Iterator[Call]) -> list[Call]:
    """Without modules that one block calls twice (Phi's dropout): a hook could not tell which."""
    listed = list(calls)
    count = Counter(call.name for call in listed)
    return [call for call in listed if count[call.name] == 1]
