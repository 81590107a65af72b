"""The proof of an anatomy: every equation that it claims, on tokens it was not found with.

What fails is refused with the reason. If the residual stream itself does not add up the model is
not loaded at all; if a part does not (attention, neurons, the unembedding), that part is refused
and the rest works.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unembed.engine.checks import interventions
from unembed.engine.checks.report import Report, compare, relative_error
from unembed.engine.checks.trials import alone
from unembed.engine.editing.edits import scale, set_to
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import ATTENTION_SITES, CROSS, LAYER_SITES, Branch
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.engine.provenance import Identity, Kind
from unembed.engine.targets import SiteKey
from unembed.errors import UnembedError
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy, renamed
from unembed.models.discover_encoder import encoder_of
from unembed.models.fingerprint import Watched
from unembed.models.multimodal import placeholders
from unembed.settings import Settings

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5}
HALF_TOLERANCE = 4e-2
N_POSITIONS = 10
N_SOURCE = 13
LOOKS_AHEAD = 1e-3
HEADS = (*ATTENTION_SITES, "sink", "z")
CROSS_HEADS = tuple(CROSS + site for site in (*ATTENTION_SITES, "z"))
NEURONS = ("mlp_pre", "mlp_gate", "mlp_post")


def check(module: nn.Module, anatomy: Anatomy, kind: Kind = "causal") -> Report:
    """Check every equation of `anatomy` on `module`."""
    report = Report(tolerance_of(module))
    try:
        model = _bare_model(module, anatomy, kind)
        ids = sample_ids(module, anatomy.vocab_size, N_POSITIONS, step=31)
        source = sample_ids(module, anatomy.vocab_size, N_SOURCE, step=37)
        _check_all(model, tuple(ids), tuple(source) if model.has_encoder else (), report)
        if anatomy.encoder is not None and not report.fatal:
            _check_encoder(model, anatomy.encoder, tuple(source), report)
    except (RuntimeError, ValueError, LookupError, AttributeError, UnembedError) as error:
        report.fatal = f"running it with every site watched failed: {error}"
    return report


def tolerance_of(module: nn.Module) -> float:
    """How far an equation may be off, relative to its larger side, in the module's precision."""
    dtype = next(p.dtype for p in module.parameters() if p.is_floating_point())
    return TOLERANCE.get(dtype, HALF_TOLERANCE)


def _bare_model(module: nn.Module, anatomy: Anatomy, kind: Kind) -> Loaded:
    identity = Identity("the model", kind, Watched(module, None, lazy=True))
    return Loaded(module, None, anatomy, identity, Settings(), N_POSITIONS)


def sample_ids(module: nn.Module, vocab_size: int, n_positions: int, step: int = 17) -> list[int]:
    """Ordinary tokens spread over the vocabulary: none of the special ones in the config."""
    special = _special_ids(module.config) | {*placeholders(module.config)}
    ids: list[int] = []
    candidate = 7
    while len(ids) < n_positions:
        candidate = (candidate + step * (vocab_size // 97 + 1)) % vocab_size
        while candidate in special or (candidate in ids and len(ids) < vocab_size - len(special)):
            candidate = (candidate + 1) % vocab_size
        ids.append(candidate)
    return ids


def _special_ids(config: Any) -> set[int | None]:
    """The special tokens that a config names; of eos it may name several."""
    found: set[int | None] = set()
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "mask_token_id"):
        value = getattr(config, name, None)
        found.update(value if isinstance(value, list | tuple) else [value])
    return found


def _check_all(
    model: Loaded, ids: tuple[int, ...], source: tuple[int, ...], report: Report
) -> None:
    sites = [site for site in LAYER_SITES if _somewhere(model.anatomy, site)]
    lens = model.capabilities()["lens"].available
    capture = [*sites, "embed", *(["final_norm"] if lens else [])]
    run = forward.run(model, forward.Request(ids, capture, source=source))
    plain = forward.run(model, forward.Request(ids, source=source))
    if plain.logits is not None and run.logits is not None:
        words = "logits with attention watched = logits"
        compare(report, words, run.logits, plain.logits, HEADS)
    n_read = len(run["L0.resid_pre"])
    if n_read != len(ids):
        report.fatal = (
            f"{model.anatomy.blocks[0].module} (layer 0) reads {n_read} positions of a prompt of "
            f"{len(ids)} tokens: what stands beside the text is not understood"
        )
        return
    for block in model.anatomy.blocks:
        _stream(model, run, block, report)
    if report.fatal:
        return
    for block in model.anatomy.blocks:
        _attempt(report, HEADS, "heads", partial(_heads, model, run, block, report))
        _attempt(report, CROSS_HEADS, "heads", partial(_cross_heads, model, run, block, report))
        _attempt(report, NEURONS, "neurons", partial(_neurons, model, run, block, report))
    if model.kind == "causal":
        _order_of_tokens(model, plain, report)
    if lens:
        _attempt(report, ("lens",), "unembedding", partial(_unembedding, model, run, report))
    if not report.fatal:
        interventions.check_edits(model, run, sites, report)
        interventions.check_blocks(model, run, report)


def _order_of_tokens(model: Loaded, run: Run, report: Report) -> None:
    """No token changes what comes before it: else batches would be padded where the model looks."""
    ids = (*run.ids[:-1], run.ids[0])
    logits, other = run.logits, forward.run(model, forward.Request(ids, source=run.source)).logits
    if logits is None or other is None:
        return
    # experts multiply other rows together now: no closer than single precision
    if relative_error(other[:-1], logits[:-1]) > max(report.tolerance, LOOKS_AHEAD):
        report.fatal = report.fatal or (
            "its logits change with later tokens, so it is not causal, as its class says; where "
            "its config has is_decoder, that must be True"
        )


def _check_encoder(
    model: Loaded, encoder: Anatomy, source: tuple[int, ...], report: Report
) -> None:
    """Everything of the encoder as a model of its own, and that it is the same within the whole."""
    module = encoder_of(model.module)
    path = next(name for name, each in model.module.named_modules() if each is module)
    own = renamed(encoder, lambda name: name.removeprefix(f"{path}."))
    found = check(module, own, "masked")
    report.errors |= {f"encoder: {equation}": error for equation, error in found.errors.items()}
    report.encoder_reasons |= found.reasons
    if found.gated:
        sentence = "the heads of its encoder are multiplied by a gate, which is not understood"
        report.encoder_reasons |= dict.fromkeys(HEADS, sentence)
    if found.fatal is not None:
        report.fatal = f"of its encoder: {found.fatal}"
        return
    sites = [site for site in LAYER_SITES if _somewhere(encoder, site)]
    alone = _bare_model(module, own, "masked")
    apart = forward.run(alone, forward.Request(source, [*sites, "embed"], logits="none"))
    names = [f"E.{site}" for site in (*sites, "embed", "out")]
    within = forward.run(model, forward.Request(source[:2], names, logits="none", source=source))
    for name in apart.captured:
        inside = f"E{name[1:]}" if name[0] == "L" else f"E.{name}"
        compare(report, f"{path} alone = {path} of the whole", within[inside], apart[name])
    interventions.check_handed_over(model, within, report)


def _somewhere(anatomy: Anatomy, site: str) -> bool:
    return any(why_not(anatomy, SiteKey(site, block.layer)) is None for block in anatomy.blocks)


def _attempt(
    report: Report, parts: tuple[str, ...], word: str, equation: Callable[[], None]
) -> None:
    """A shape that does not fit is a failed equation of this part, not of the whole model."""
    try:
        equation()
    except (RuntimeError, LookupError, UnembedError) as error:
        for part in parts:
            report.reasons.setdefault(part, f"the self-check of its {word} failed: {error}")


def _stream(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> None:
    at = f"L{block.layer}."
    pre, post = run[at + "resid_pre"], run[at + "resid_post"]
    added = [sum((run[at + site] for site in step), pre.new_zeros(())) for step in block.steps]
    if block.layer:
        before = run[f"L{block.layer - 1}.resid_post"]
        compare(report, "resid_post = next resid_pre", pre, before)
    else:
        compare(report, "embed = first resid_pre", run["embed"], pre)
    names = [" + ".join(step) for step in block.steps]
    if len(block.steps) == 1:
        compare(report, f"resid_pre + {names[0]} = resid_post", pre + added[0], post)
        return
    streams = (*block.stream_sites, "resid_post")
    for order, behind in enumerate(streams[1:]):
        written = interventions.past(model, block, order, run[at + streams[order]], added[order])
        compare(report, f"{streams[order]} + {names[order]} = {behind}", written, run[at + behind])


def _added(model: Loaded, layer: int, part: Branch, written: Tensor) -> Tensor:
    """What an output map's result becomes on its way to the stream."""
    norm = model.post_norm(layer, part)
    with model.evaluating():
        added = written if norm is None else norm(written)
    return added * model.residual_multiplier(layer, part)


def _product(model: Loaded, layer: int, part: Branch, value: Tensor) -> Tensor:
    bias, norm = model.output_bias(layer, part), model.inner_norm(layer, part)
    with model.evaluating():
        value = value if norm is None else norm(value)
        product: Tensor = value @ model.output_weight(layer, part)
        return product if bias is None else product + bias


def _heads(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> None:
    if block.why_no_heads is not None:
        return
    mixed, z, within = _attention(model, run, block, block.attention, report, "")
    if relative_error(mixed, z) <= within or not _gated(model, run, block, report):
        why = block.attention.between
        compare(report, "pattern·v = z", mixed, z, HEADS, at_least=within, because=why)


def _cross_heads(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> None:
    if block.cross is None:
        return
    if block.cross.sink:
        raise LookupError("some of its attention to the encoder goes to a sink")
    mixed, z, _ = _attention(model, run, block, block.cross, report, CROSS)
    compare(report, "cross_pattern·cross_v = cross_z", mixed, z, CROSS_HEADS)


def _attention(
    model: Loaded,
    run: Run,
    block: BlockAnatomy,
    attention: AttentionAnatomy,
    report: Report,
    prefix: str,
) -> tuple[Tensor, Tensor, float]:
    """Its equations but the last, of which both sides are returned, pattern·v and z; and within
    what they must agree.
    """
    at = f"L{block.layer}."
    branch: Branch = "cross" if prefix else "attn"
    z = run[f"{at}{prefix}z"]
    written = _added(model, block.layer, branch, _product(model, block.layer, branch, z.flatten(1)))
    words = f"{prefix}z·W_O + b = {branch}_out"
    compare(report, words, written, run[f"{at}{branch}_out"], CROSS_HEADS if prefix else HEADS)
    missing = [
        site
        for site in (prefix + site for site in ATTENTION_SITES)
        if why_not(model.anatomy, SiteKey(site, block.layer)) is not None
    ]
    if missing:
        raise LookupError(f"without {missing[0]} nothing proves how z is divided into heads")
    query, key, value = (run[at + prefix + site].transpose(0, 1) for site in ("q", "k", "v"))
    scores, pattern = run[f"{at}{prefix}scores"], run[f"{at}{prefix}pattern"]
    if (query.shape[0], key.shape[0]) != (attention.n_heads, attention.n_kv_heads):
        raise LookupError("the numbers of heads are not those of the attention call")
    sink = run[at + "sink"].T[..., None] if attention.sink else None
    _simplex(report, pattern, sink, prefix)
    # some families take a sink's share in float32, whatever their type
    within = report.tolerance if sink is None else max(report.tolerance, TOLERANCE[torch.float32])
    words, left = "softmax(scores) = pattern", torch.softmax(scores, -1)
    if sink is not None:
        words, left = "softmax(scores) · (1 - sink) = pattern", left * (1 - sink)
    _compare_loosely(report, words, left.to(pattern), pattern, prefix)
    return _mixed(pattern, value).to(z), z, within


def _mixed(pattern: Tensor, value: Tensor) -> Tensor:
    """pattern · v: [pos, head, d_head]."""
    values = value.repeat_interleave(len(pattern) // len(value), 0)
    return (pattern @ values.to(pattern)).transpose(0, 1)


def _gated(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> bool:
    """Whether z is the pattern times the values, each number times a gate that knows no values.

    Then with other values z changes as they do: z' · (pattern·v) = z · (pattern·v'); and half the
    pattern gives half of z, which it would not if the factor were of the kernel's own making.
    """
    at = f"L{block.layer}."
    value = run[at + "v"]
    other = torch.cos(torch.arange(value.numel(), dtype=torch.float64) * 1.3).reshape(value.shape)
    edits = [set_to(f"{at}H{head}.v", other[:, head]) for head in range(value.shape[1])]
    changed = alone(model, run, block, edits, ["z", "v"])
    pattern, z = run[at + "pattern"], run[at + "z"]
    mixed, mixed_other = (_mixed(pattern, one[at + "v"].transpose(0, 1)) for one in (run, changed))
    left, right = changed[at + "z"] * mixed.to(z), z * mixed_other.to(z)
    halved = alone(model, run, block, [scale(f"{at}pattern", 0.5)], ["z"])
    within = 10 * report.tolerance
    if relative_error(left, right) > within or relative_error(halved[at + "z"] * 2, z) > within:
        return False
    compare(report, "gate · (pattern·v) = z", left, right, HEADS, at_least=within)
    report.gated.add(block.layer)
    return True


def _simplex(report: Report, pattern: Tensor, sink: Tensor | None, prefix: str) -> None:
    """Rows sum to 1 to the precision of the softmax, which some families take in float32."""
    whole = pattern if sink is None else torch.cat([pattern, sink.to(pattern)], -1)
    total = whole.double().sum(-1)
    words = "pattern rows sum to 1" if sink is None else "pattern rows and sink sum to 1"
    _compare_loosely(report, words, total, torch.ones_like(total), prefix)


def _compare_loosely(
    report: Report, equation: str, left: Tensor, right: Tensor, prefix: str
) -> None:
    parts = (f"{prefix}scores", f"{prefix}pattern")
    words = equation.replace("pattern", parts[1]).replace("scores", parts[0])
    compare(report, words, left, right, parts, at_least=TOLERANCE[torch.float32])


def _neurons(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> None:
    if why_not(model.anatomy, SiteKey("mlp_post", block.layer)) is not None:
        return
    at, mlp = f"L{block.layer}.", block.mlp
    post = run[at + "mlp_post"]
    written = _added(model, block.layer, "mlp", _product(model, block.layer, "mlp", post))
    compare(report, "mlp_post·W_out + b = mlp_out", written, run[at + "mlp_out"], NEURONS)
    act = model.activation(block.layer)
    if mlp.pre is None or act is None:
        return
    with model.evaluating():
        if mlp.gate is not None:
            expected = act(run[at + "mlp_gate"]) * run[at + "mlp_pre"]
            compare(report, "act(mlp_gate) * mlp_pre = mlp_post", expected, post, NEURONS)
        else:
            expected = act(run[at + "mlp_pre"])
            compare(report, "act(mlp_pre) = mlp_post", expected, post, NEURONS)


def _unembedding(model: Loaded, run: Run, report: Report) -> None:
    last = run[f"L{model.anatomy.n_layers - 1}.resid_post"]
    with model.evaluating():
        states = model.final_norm(last)
        compare(report, "final_norm(last resid_post)", states, run["final_norm"], ("lens",))
        logits = model.unembedding.logits(states)
    if run.logits is not None:
        compare(
            report,
            "unembed(final_norm(last resid_post)) = logits",
            logits.to(run.logits),
            run.logits,
            ("lens",),
            at_least=TOLERANCE.get(run.logits.dtype, 0.0),  # some are rounded to float32 (Beam)
        )
