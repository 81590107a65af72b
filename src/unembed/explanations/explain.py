"""Labels for components, from what the text says where they are active: `explain`.

Half of the sentences that are drawn make the label: of every family of predicates the one that
fits the active tokens best (`search`), and of those the simplest that is about as good as the
best. The other half says how well it does, beside two nulls (`nulls`). Everything follows from the
corpus, the options and the seed: the same call gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from unembed.analyses.tools.projections import TokenScore
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.explanations import nulls
from unembed.explanations.activity import threshold_of, values_of
from unembed.explanations.agreement import Resampled, agreement, ranks
from unembed.explanations.cause import cause_of, lever_of
from unembed.explanations.explaining.explainer import Explainer
from unembed.explanations.judging.judge import Judge
from unembed.explanations.options import ExplainOptions
from unembed.explanations.predicates import Family, families_of, in_words, says
from unembed.explanations.promoted import promoted
from unembed.explanations.result import (
    Agreement,
    Candidate,
    Cause,
    Explanation,
    Explanations,
    Null,
)
from unembed.explanations.sample import Sample, drawn_from
from unembed.explanations.search import Choice, best_first, fitted, totals_of
from unembed.explanations.writing import Writing
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.measures import Measures, Nodes
from unembed.index.store import Array
from unembed.models.progress import Progress

DEFAULTS = ExplainOptions()
FEWEST = 5  # active tokens in either half
RESAMPLES = 200
N_OTHERS = 3


def explain(
    corpus: Corpus,
    nodes: Nodes,
    *,
    explainer: Explainer | None = None,
    judge: Judge | None = None,
    options: ExplainOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Explanations:
    """What nodes do, in words, each label with its scores and what chance would give; one pass.

    Args:
        nodes: "L12.N512", "L9.H6", "L6.F77" ..., or ("L6.resid_post", a vector): one or several. Of
            a neuron or latent its activation counts, of other nodes the norm of what they write, of
            a direction the residual stream along it.
        explainer: a language model that says it in its own words, beside the label:
            `ue.RemoteExplainer`, `ue.LocalExplainer`.
        judge: who scores these words: `ue.RemoteJudge`, `ue.LocalJudge`, or any `Judge`.
        options: how much is looked at, and what active is; `changes` are single ones, as in
            `n_tokens=50_000`.
        cancel: checked before every layer, and every node.
        progress: called with ("reading the corpus", tokens done, tokens), ("labels", nodes done,
            nodes) and ("judging", nodes done, nodes).

    Raises:
        TargetError, CapabilityError: no such node.
        InputError: a node at one position, a vector that does not fit, weights changed since, a
            corpus of fewer than four sentences; a judge without an explainer; texts that would
            leave this machine without consent.
    """
    asked = options.changed(**changes)
    if judge is not None and explainer is None:
        raise InputError(
            "a judge reads what an explainer wrote, and there is none",
            field="judge",
            legal="a judge with an explainer",
            fix="ue.score_explanation(corpus, node, text, judge) for a text that is there",
        )
    model = corpus.model
    measures = Measures(model, nodes)
    corpus.check_current()
    sample = drawn_from(corpus.columns, asked.n_tokens, asked.seed)
    values = values_of(model, measures, sample, cancel, progress)
    told = promoted(model, measures, sample, values, asked.says, cancel)
    labeller = _Labeller(sample, families_of(sample, model), asked, model.kind == "causal")
    causes = _Causes(model, measures, sample, asked, cancel)
    items = []
    for order, name in enumerate(measures.names):
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress("labels", order, len(measures))
        item = labeller.of(name, measures.words[order], values[order], told[order])
        items.append(replace(item, cause=causes.of(order, values[order], item)))
    if explainer is not None:
        writing = Writing(model, measures, sample, values, explainer, judge, cancel, progress)
        items = writing.of(items)
    return Explanations(
        corpus=corpus.about.name,
        n_sentences=len(sample.spans),
        n_tokens=len(sample.rows),
        n_held_out=len(labeller.held_out),
        items=tuple(items),
    )


class _Labeller:
    """Makes the label of one node after the other, over one sample."""

    def __init__(
        self, sample: Sample, families: Sequence[Family], asked: ExplainOptions, causal: bool
    ) -> None:
        self._sample, self._asked, self._causal = sample, asked, causal
        self.own = np.flatnonzero(~sample.held_out)  # places in the sample
        self.held_out = np.flatnonzero(sample.held_out)
        self._families = [(family, totals_of(family, self.own)) for family in families]
        rng = np.random.default_rng(asked.seed + 1)
        self._resampled = Resampled(sample.sentences[self.held_out], RESAMPLES, rng)
        self._orders = tuple(
            np.stack([rng.permutation(len(part)) for _ in range(asked.shuffles)])
            for part in (self.own, self.held_out)
        )

    def of(
        self, name: str, words: str, values: Array, told: tuple[TokenScore, ...] | None
    ) -> Explanation:
        """The explanation of one node, of which `values` are over the sample."""
        threshold = self._asked.threshold
        threshold = threshold_of(values[self.own]) if threshold is None else float(threshold)
        active = values > threshold
        own, held = self.own[active[self.own]], active[self.held_out]
        found = _Labelled(None, (), None, None, None, 0)
        reason = _too_few(len(own), int(held.sum()), len(self.held_out))
        if reason is None:
            found = self._labelled(own, values, threshold, told)
            reason = found.reason
        label = found.label
        return Explanation(
            node=name,
            measured=words,
            label=None if label is None else in_words(label.family, label.codes),
            kind=None if label is None else label.family.kind,
            values=() if label is None else tuple(label.family.names[one] for one in label.codes),
            supported=label is not None and reason is None,
            reason=reason,
            threshold=threshold,
            density=float(held.mean()),
            n_active=int(held.sum()),
            n_described=found.n_described,
            held_out=found.held_out,
            shuffled=found.shuffled,
            searched=found.searched,
            promotes=told,
            cause=None,
            others=found.others,
        )

    def _labelled(
        self, own: Array, values: Array, threshold: float, told: tuple[TokenScore, ...] | None
    ) -> _Labelled:
        """The label of a node that is active at `own` of the tokens that labels are made from."""
        families = self._families
        if told and self._causal:
            last = says(self._sample, [one.token.id for one in told])
            families = [*families, (last, totals_of(last, self.own))]
        ranked = best_first(self._choices(families, own))
        if not ranked:
            return _Labelled(None, (), None, None, None, 0)
        label = ranked[0]
        held = values[self.held_out]
        active, places, holds = held > threshold, ranks(held), label.holds(self.held_out)
        mine, others = self._orders
        return _Labelled(
            label,
            tuple(
                Candidate(in_words(one.family, one.codes), one.family.kind, one.f1)
                for one in ranked[1 : 1 + N_OTHERS]
            ),
            agreement(holds, active, places, self._resampled),
            nulls.shuffled(holds, active, places, others),
            nulls.searched(
                partial(self._best, families),
                len(own),
                self.held_out,
                active,
                places,
                (mine, others),
            ),
            int(holds.sum()),
        )

    def _choices(self, families: Sequence[tuple[Family, Array]], active: Array) -> list[Choice]:
        """The best of each family for active tokens, by their places in the sample."""
        most = self._asked.joined
        found = (fitted(family, totals, active, most) for family, totals in families)
        return [one for one in found if one is not None]

    def _best(self, families: Sequence[tuple[Family, Array]], active: Array) -> Choice | None:
        """The label for active tokens, by their places among those that labels are made from."""
        return next(iter(best_first(self._choices(families, self.own[active]))), None)


@dataclass(frozen=True, eq=False)
class _Causes:
    """Measures what nodes do to the tokens that they promote, where that is asked for."""

    model: Model
    measures: Measures
    sample: Sample
    asked: ExplainOptions
    cancel: Cancel | None

    def of(self, order: int, values: Array, item: Explanation) -> Cause | None:
        """None where nothing is promoted, or the node is active hardly anywhere.

        A masked model reads to the right, too: what it says of a token is not what comes next.
        """
        target = self.measures.targets[order]
        wanted = self.asked.cause and item.n_active >= FEWEST and self.model.kind == "causal"
        if not wanted or not item.promotes:
            return None
        return cause_of(
            self.model,
            self.sample,
            lever_of(self.measures, order),
            values,
            values > item.threshold,
            [one.token.id for one in item.promotes],
            steers=target is None or target.is_number,
            prompts=self.asked.prompts,
            shuffles=self.asked.shuffles,
            seed=self.asked.seed,
            cancel=self.cancel,
        )


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A label with its scores; without one, nothing."""

    label: Choice | None
    others: tuple[Candidate, ...]
    held_out: Agreement | None
    shuffled: Null | None
    searched: Null | None
    n_described: int

    @property
    def reason(self) -> str | None:
        """Why there is none, or why it is not supported."""
        if self.label is None or self.held_out is None:
            return "no predicate fits: none describes three tokens where it is active"
        chance = max(one.high for one in (self.shuffled, self.searched) if one is not None)
        if self.held_out.low > chance:
            return None
        return (
            f"its F1 may be as low as {self.held_out.low:.3f}, and chance reaches {chance:.3f}: "
            "not supported"
        )


def _too_few(own: int, held_out: int, n: int) -> str | None:
    """Why no label can be made of so many active tokens."""
    if min(own, held_out) < FEWEST:
        return f"active at {own} tokens and {held_out} held-out ones: too few"
    if held_out > n / 2:
        return "active at more than half of the tokens: a higher threshold may help"
    return None
