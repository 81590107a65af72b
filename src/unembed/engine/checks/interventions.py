"""The part of the self-check that changes things and looks at what follows.

Equations between activations cannot tell a tap that reads the right tensor at the wrong place:
what a site feeds must change when it does, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from unembed.engine.checks.report import Report
from unembed.engine.checks.trials import Sides, Trial, Trials, has
from unembed.engine.editing.edits import scale, set_to, zero
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import CROSS
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.models.anatomy import Anatomy, AttentionAnatomy, BlockAnatomy, MlpAnatomy

POSITION = 4


def check_edits(model: Loaded, run: Run, sites: list[str], report: Report) -> None:
    """An edit at each site shows where it is read back, and changes what leaves the block."""
    for block in representatives(model.anatomy):
        at, after, second = f"L{block.layer}.", f"L{block.layer}.resid_post", block.steps[-1]
        before = block.stream_sites[-1]
        sequential = block.arrangement in ("sequential", "norm_first")
        edited = [s for s in sites if s not in report.reasons and has(model, block, s)]
        stream = [before, *second, "resid_post"] if sequential else ["resid_post"]
        edits = [Trial([zero(at + site)]) for site in edited]
        trials = Trials(model, run, block, edits, [*edited, *stream], report)

        def sides(found: Run, block: BlockAnatomy = block) -> Sides:
            at, step = f"L{block.layer}.", len(block.steps) - 1
            mid = found[at + block.stream_sites[-1]]
            added = sum((found[at + one] for one in block.steps[-1]), torch.zeros_like(mid))
            return past(model, block, step, mid, added), found[at + "resid_post"]

        for trial, site in enumerate(edited):
            changed = bool(trials.changed(trial, after)) or _is_dead(run, at, site)
            if not changed or not trials.holds(trial, partial(_is_zero, at + site)):
                sentence = f"the self-check found that an edit at {at}{site} does not take"
                report.reasons.setdefault(site, sentence)
            if sequential and site != "resid_post":
                words = f"{before} + {' + '.join(second)} = resid_post under an edit of {site}"
                trials.compare(words, [trial], sides)


def _is_zero(name: str, found: Run) -> bool:
    return not bool(found[name].any())


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


@dataclass(frozen=True)
class Claim:
    """Something about a block: what is tried, what is watched, and what is made of it.

    `judge` gets the trials of all claims of the block, and which is the first of its own.
    """

    trials: Sequence[Trial]
    sites: Sequence[str]
    judge: Callable[[Trials, int], None]


def check_blocks(model: Loaded, run: Run, report: Report) -> None:
    """What each block's inputs feed: run one block alone with its input replaced."""
    for block in model.anatomy.blocks:
        claims = [
            *_feeding(model, run, block, report),
            *_order(run, block, report),
            *_asking(model, block, "", report),
            *_asking(model, block, CROSS, report),
        ]
        if not claims:
            continue
        every = [trial for claim in claims for trial in claim.trials]
        sites = [site for claim in claims for site in claim.sites]
        trials = Trials(model, run, block, every, sites, report)
        first = 0
        for claim in claims:
            claim.judge(trials, first)
            first += len(claim.trials)


def _feeding(model: Loaded, run: Run, block: BlockAnatomy, report: Report) -> Iterator[Claim]:
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
    inputs = [site for site in fed if has(model, block, site) and site not in report.reasons]
    outputs = [site for name in inputs for site in fed[name] if site not in report.reasons]
    outputs = [site for site in outputs if has(model, block, site)]
    if not inputs:
        return
    constant = torch.cos(torch.arange(model.anatomy.d_model, dtype=torch.float64) * 0.7)
    edits = [set_to(at + site, constant) for site in inputs]
    other = run[at + "resid_pre"].roll(1, dims=0) * 1.5

    def judge(trials: Trials, first: int) -> None:
        for site in inputs:
            for output in fed[site]:
                if output in outputs:
                    name, pair = at + output, (first, first + 1)
                    trials.compare(f"{site} feeds {output}", pair, partial(_both, name), (site,))

    yield Claim([Trial(edits), Trial(edits, other)], outputs, judge)


def _both(name: str, first: Run, second: Run) -> Sides:
    return first[name], second[name]


def _order(run: Run, block: BlockAnatomy, report: Report) -> Iterator[Claim]:
    """Feed-forward reads what attention added unless blocks are parallel."""
    at = f"L{block.layer}."
    # what is added in one step need not read what is added in it, too
    steps = [(added, after[0]) for step, after in pairwise(block.steps) for added in step]
    pairs = steps or list(pairwise(block.branch_sites))

    def judge(trials: Trials, first: int) -> None:
        for order, (added, later) in enumerate(pairs):
            if not bool(run[at + added].any()):
                continue
            if bool(trials.changed(first + order, at + later)) == block.parallel:
                claim = "parallel" if block.parallel else "sequential"
                report.fatal = report.fatal or f"layer {block.layer} is not {claim}, as it was read"

    if pairs:
        cuts = [Trial([zero(at + added)]) for added, _ in pairs]
        yield Claim(cuts, [later for _, later in pairs], judge)


def _asking(model: Loaded, block: BlockAnatomy, prefix: str, report: Report) -> Iterator[Claim]:
    """A query of one position changes the pattern of that position alone: q asks, k answers."""
    at = f"L{block.layer}.{prefix}"
    sites = tuple(prefix + site for site in ("q", "k", "scores", "pattern"))
    if any(site in report.reasons or not has(model, block, site) for site in sites):
        return

    def judge(trials: Trials, first: int) -> None:
        rows = trials.changed(first, at + "pattern", kept=(1,))
        if not rows[POSITION] or rows.sum() > 1:
            sentence = f"the self-check found that {at}q is not what asks"
            for site in sites:
                report.reasons.setdefault(site, sentence)

    yield Claim([Trial([zero(at + "q", positions=[POSITION])])], [prefix + "pattern"], judge)


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
