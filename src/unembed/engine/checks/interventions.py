"""The part of the self-check that changes things and looks at what follows.

Equations between activations cannot tell a tap that reads the right tensor at the wrong place:
what a site feeds must change when it does, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from unembed.engine.checks.report import Report, compare
from unembed.engine.editing.edits import Edit, scale, set_to, zero
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import CROSS
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy, MlpAnatomy

POSITION = 4


def check_edits(model: Loaded, run: Run, sites: list[str], report: Report) -> None:
    """An edit at each site shows where it is read back, and changes what leaves the block."""
    for block in representatives(model.anatomy):
        at = f"L{block.layer}."
        sequential = block.arrangement in ("sequential", "norm_first")
        second = block.steps[-1]
        for site in sites:
            if site in report.reasons or not _has(model, block, site):
                continue
            before = block.stream_sites[-1]
            stream = [before, *second, "resid_post"] if sequential else ["resid_post"]
            edited = alone(model, run, block, [zero(at + site)], [site, *stream])
            changed = not torch.equal(edited[at + "resid_post"], run[at + "resid_post"])
            changed = changed or _is_dead(run, at, site)
            if bool(edited[at + site].any()) or not changed:
                sentence = f"the self-check found that an edit at {at}{site} does not take"
                report.reasons.setdefault(site, sentence)
            if sequential and site != "resid_post":
                mid = edited[at + before]
                added = sum((edited[at + one] for one in second), torch.zeros_like(mid))
                words = f"{before} + {' + '.join(second)} = resid_post under an edit of {site}"
                total = past(model, block, len(block.steps) - 1, mid, added)
                compare(report, words, total, edited[at + "resid_post"])


def past(model: Loaded, block: BlockAnatomy, step: int, stream: Tensor, added: Tensor) -> Tensor:
    """The stream behind one of the two steps of a block."""
    name = None if block.stream_norms is None else block.stream_norms[step]
    norm = None if name is None else model.module.get_submodule(name)
    with model.evaluating():
        if block.arrangement == "post_norm" and norm is not None:
            normed: Tensor = norm(stream + added)
            return normed
        stream = stream if norm is None else norm(stream)
    return stream * block.stream_factors[step] + added


def _is_dead(run: Run, at: str, site: str) -> bool:
    """Whether the branch of a site writes nothing (a zero map), so that no edit can show."""
    if site.startswith("resid"):
        return False
    family = site.split("_")[0]
    known = ("mlp", "mixer", "ple", "cross")
    branch = f"{at}{family}_out" if family in known else f"{at}attn_out"
    return branch in run and not bool(run[branch].any())


def representatives(anatomy: Anatomy) -> Iterator[BlockAnatomy]:
    """The first block of each make."""
    seen = set()
    for block in anatomy.blocks:
        extra = (block.stream_norms is None, block.beside is None, block.per_layer is None)
        make = (
            block.arrangement,
            *extra,
            *_make_of_mixer(block),
            *_make_of_mlp(block.feed_forward),
        )
        if make not in seen:
            seen.add(make)
            yield block


def _make_of_mixer(block: BlockAnatomy) -> tuple[object, ...]:
    mixer = block.mixer
    if not isinstance(mixer, AttentionAnatomy):
        return (None if mixer is None else mixer.kind,)
    return mixer.n_heads, mixer.n_kv_heads, *_norms(mixer), mixer.sink


def _make_of_mlp(mlp: MlpAnatomy | None) -> tuple[object, ...]:
    return () if mlp is None else (mlp.kind, mlp.gate is None, mlp.reason, *_norms(mlp))


def _norms(branch: AttentionAnatomy | MlpAnatomy) -> tuple[bool, bool]:
    return branch.inner_norm is None, branch.post_norm is None


def check_blocks(model: Loaded, run: Run, report: Report) -> None:
    """What each block's inputs feed: run one block alone with its input replaced."""
    for block in model.anatomy.blocks:
        _check_feeding(model, run, block, report)
        _check_order(model, run, block, report)


def alone(
    model: Loaded,
    run: Run,
    block: BlockAnatomy,
    edits: list[Edit],
    sites: list[str],
    residual: Tensor | None = None,
) -> Run:
    """One block, entered with its residual of `run`, or with another one."""
    at = f"L{block.layer}."
    names = [at + site for site in sites if _has(model, block, site)]
    state = run[at + "resid_pre"] if residual is None else residual
    start: tuple[int, Tensor] | None = (block.layer, state)
    if block.keys_of is not None:  # its keys are made on the way to it
        start, edits = None, [set_to(at + "resid_pre", state), *edits]
    end = at + "resid_post"
    request = forward.request_of(run, names, edits, stop_after=end, start=start)
    return forward.run(model, request)


def _has(model: Loaded, block: BlockAnatomy, site: str) -> bool:
    return why_not(model.anatomy, SiteKey(site, block.layer)) is None


def _check_feeding(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> None:
    """With attn_in and mlp_in set to a constant, another residual must give the same outputs.

    So q, k, v and attn_out come from attn_in and nothing else, mlp_out from mlp_in.
    """
    at = f"L{block.layer}."
    fed = {
        "attn_in": ("q", "k", "v", "attn_out"),
        "mixer_in": ("mixer_out",),
        "cross_in": ("cross_q", "cross_out"),  # keys and values come from the encoder
        "mlp_in": ("mlp_out",),
        "ple_in": ("ple_out",),
    }
    inputs = [site for site in fed if _has(model, block, site) and site not in report.reasons]
    outputs = [site for name in inputs for site in fed[name] if site not in report.reasons]
    if not inputs:
        return
    constant = torch.cos(torch.arange(model.anatomy.d_model, dtype=torch.float64) * 0.7)
    edits = [set_to(at + site, constant) for site in inputs]
    residual = run[at + "resid_pre"]
    first = alone(model, run, block, edits, outputs, residual)
    second = alone(model, run, block, edits, outputs, residual.roll(1, dims=0) * 1.5)
    for site in inputs:
        for output in fed[site]:
            if at + output in first.captured:
                words = f"{site} feeds {output}"
                compare(report, words, first[at + output], second[at + output], (site,))


def _check_order(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> None:
    """Feed-forward reads what attention added unless blocks are parallel; q asks, k answers."""
    at = f"L{block.layer}."
    # what is added in one step need not read what is added in it, too
    pairs = [(added, after[0]) for step, after in pairwise(block.steps) for added in step]
    for added, later in pairs or pairwise(block.branch_sites):
        cut = alone(model, run, block, [zero(at + added)], [later])
        unchanged = torch.equal(cut[at + later], run[at + later])
        if unchanged != block.parallel and bool(run[at + added].any()):
            claim = "parallel" if block.parallel else "sequential"
            report.fatal = report.fatal or f"layer {block.layer} is not {claim}, as it was read"
    _check_asking(model, run, block, "", report)
    _check_asking(model, run, block, CROSS, report)


def _check_asking(
    model: Loaded, run: Run, block: BlockAnatomy, prefix: str, report: Report
) -> None:
    """A query of one position changes the pattern of that position alone."""
    at = f"L{block.layer}.{prefix}"
    sites = tuple(prefix + site for site in ("q", "k", "scores", "pattern"))
    if any(site in report.reasons or not _has(model, block, site) for site in sites):
        return
    cut = alone(model, run, block, [zero(at + "q", positions=[POSITION])], [prefix + "pattern"])
    changed = cut[at + "pattern"] != run[at + "pattern"]
    rows = changed.any(dim=-1).any(dim=0)
    if not rows[POSITION] or rows.sum() > 1:
        sentence = f"the self-check found that {at}q is not what asks"
        for site in sites:
            report.reasons.setdefault(site, sentence)


def check_handed_over(model: Loaded, run: Run, report: Report) -> None:
    """What the encoder hands over at one position gives the keys and values of that position.

    `run` has E.out captured; it is of the source that is used.
    """
    sites = [site for site in ("cross_k", "cross_v") if site not in report.reasons]
    names = [f"L{block.layer}.{site}" for block in model.anatomy.blocks for site in sites]
    moved = scale("E.out", -0.5, positions=[POSITION])
    plain, found = (
        forward.run(model, forward.request_of(run, names, edits)) for edits in ((), (moved,))
    )
    for name in names:
        changed = (found[name] != plain[name]).flatten(1).any(dim=-1)
        if not changed[POSITION] or changed.sum() > 1:
            report.fatal = f"{name} does not come from what the encoder was read to hand over"
