"""The part of the self-check that changes things and looks at what follows.

Equations between activations cannot tell a tap that reads the right tensor at the wrong place:
what a site feeds must change when it does, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine import selfcheck
from unembed.engine.edits import Edit, set_to, zero
from unembed.engine.places import why_not
from unembed.models.anatomy import Anatomy, BlockAnatomy

if TYPE_CHECKING:
    from unembed.engine.model import Model
    from unembed.engine.run import Run
    from unembed.engine.selfcheck import Report

POSITION = 4


def check_edits(model: Model, run: Run, sites: list[str], report: Report) -> None:
    """An edit at each site shows where it is read back, and changes what comes after."""
    end = f"L{model.anatomy.n_layers - 1}.resid_post"
    for block in representatives(model.anatomy):
        stream = [f"L{block.layer}.{part}" for part in ("resid_mid", "mlp_out", "resid_post")]
        sequential = block.arrangement == "sequential"
        for site in sites:
            if site in report.reasons or why_not(model.anatomy, (site, block.layer)) is not None:
                continue
            name = f"L{block.layer}.{site}"
            capture = [name, end, *(stream if sequential else [])]
            edited = model.run(list(run.ids), capture, [zero(name)], logits="none")
            if bool(edited[name].any()) or torch.equal(edited[end], run[end]):
                sentence = f"the self-check found that an edit at {name} does not take"
                report.reasons.setdefault(site, sentence)
            if sequential and site != "resid_post":
                total = edited[stream[0]] + edited[stream[1]]
                words = f"resid_mid + mlp_out = resid_post under an edit of {site}"
                selfcheck.compare(report, words, total, edited[stream[2]])


def representatives(anatomy: Anatomy) -> Iterator[BlockAnatomy]:
    """The first block of each make."""
    seen = set()
    for block in anatomy.blocks:
        attention, mlp = block.attention, block.mlp
        shape = (attention.n_heads, attention.n_kv_heads, attention.post_norm is None)
        make = (block.arrangement, *shape, mlp.kind, mlp.gate is None, mlp.reason)
        if make not in seen:
            seen.add(make)
            yield block


def check_blocks(model: Model, run: Run, report: Report) -> None:
    """What each block's inputs feed: run one block alone with its input replaced."""
    for block in model.anatomy.blocks:
        _attention_input(model, run, block, report)
        _feed_forward_input(model, run, block, report)
        _order(model, run, block, report)
        _query_side(model, run, block, report)


def _alone(
    model: Model,
    run: Run,
    block: BlockAnatomy,
    edit: Edit,
    sites: list[str],
    residual: Tensor | None = None,
) -> Run:
    """One block, entered with its residual of `run`, or with another one."""
    layer = block.layer
    end = f"L{layer}.resid_post"
    names = [f"L{layer}.{site}" for site in sites if _has(model, block, site)]
    start = (layer, run[f"L{layer}.resid_pre"] if residual is None else residual)
    return model.run(list(run.ids), names, [edit], logits="none", stop_after=end, start=start)


def _has(model: Model, block: BlockAnatomy, site: str) -> bool:
    return why_not(model.anatomy, (site, block.layer)) is None


def _constant(model: Model) -> Tensor:
    width = model.anatomy.d_model
    return torch.cos(torch.arange(width, dtype=torch.float64) * 0.7)


def _attention_input(model: Model, run: Run, block: BlockAnatomy, report: Report) -> None:
    """q, k, v and attn_out come from attn_in and from nothing else."""
    outputs = [s for s in ("q", "k", "v", "attn_out") if s not in report.reasons]
    _feeds(model, run, block, report, "attn_in", outputs)


def _feed_forward_input(model: Model, run: Run, block: BlockAnatomy, report: Report) -> None:
    """mlp_out comes from mlp_in and from nothing else."""
    _feeds(model, run, block, report, "mlp_in", ["mlp_out"])


def _feeds(
    model: Model, run: Run, block: BlockAnatomy, report: Report, site: str, outputs: list[str]
) -> None:
    """With `site` set to a constant, another residual must give the same outputs."""
    if not _has(model, block, site) or site in report.reasons:
        return
    edit = set_to(f"L{block.layer}.{site}", _constant(model))
    residual = run[f"L{block.layer}.resid_pre"]
    first = _alone(model, run, block, edit, outputs, residual)
    second = _alone(model, run, block, edit, outputs, residual.roll(1, dims=0) * 1.5)
    for name in first.captured:
        words = f"{site} feeds {name.partition('.')[2]}"
        selfcheck.compare(report, words, first[name], second[name], (site,))


def _order(model: Model, run: Run, block: BlockAnatomy, report: Report) -> None:
    """Feed-forward reads what attention added, except where blocks are parallel."""
    name = f"L{block.layer}.mlp_out"
    alone = _alone(model, run, block, zero(f"L{block.layer}.attn_out"), ["mlp_out"])
    unchanged = torch.equal(alone[name], run[name])
    if unchanged != block.parallel:
        claim = "parallel" if block.parallel else "sequential"
        report.fatal = report.fatal or f"layer {block.layer} is not {claim}, as it was read"


def _query_side(model: Model, run: Run, block: BlockAnatomy, report: Report) -> None:
    """A query changes its own row of the pattern and no other."""
    sites = ("q", "k", "scores", "pattern")
    if any(site in report.reasons or not _has(model, block, site) for site in sites):
        return
    name = f"L{block.layer}.pattern"
    edit = replace(zero(f"L{block.layer}.q"), positions=(POSITION,))
    changed = _alone(model, run, block, edit, ["pattern"])[name] != run[name]
    rows = changed.any(dim=-1).any(dim=0)
    if not rows[POSITION] or rows.sum() > 1:
        sentence = f"the self-check found that q of layer {block.layer} is not what asks"
        for site in sites:
            report.reasons.setdefault(site, sentence)
