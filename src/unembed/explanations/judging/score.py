"""How well an explanation given as text tells what a node does: `score_explanation`.

Simulation is that of Bills et al. 2023, detection and fuzzing those of Paulo et al. 2024
("Automatically interpreting millions of features in large language models").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unembed.engine.cancel import Cancel
from unembed.errors import InputError
from unembed.explanations.activity import threshold_of, values_of
from unembed.explanations.judging import simulation
from unembed.explanations.judging.judge import Judge, Passage
from unembed.explanations.judging.passages import Text, Texts, marked, texts_of
from unembed.explanations.judging.result import ExplanationScores, Judged, Simulated
from unembed.explanations.judging.simulation import Values
from unembed.explanations.judging.verdicts import by_chance, judged
from unembed.explanations.options import ScoreOptions
from unembed.explanations.sample import drawn_from
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.measures import Measures, Node
from unembed.models.progress import Progress

DEFAULTS = ScoreOptions()


def score_explanation(
    corpus: Corpus,
    node: Node,
    explanation: str,
    judge: Judge,
    *,
    options: ScoreOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> ExplanationScores:
    """What a judge makes of an explanation: simulation, detection, fuzzing, each beside chance.

    Args:
        node: as of `explain`, one.
        explanation: any text, a label of `explain` among them.
        judge: who reads it: `unembed.explanations.judging.judge.Judge`.
        options: which texts it is shown; `changes` are single ones, as in `texts=20`.
        progress: called with ("reading the corpus", tokens done, tokens) and ("judging", done, 4).

    Answers that failed are counted, and left out.

    Raises:
        TargetError, CapabilityError: no such node.
        InputError: a node at one position, no text where it is active, weights changed since; a
            judge that gives another number of answers than it was asked for.
    """
    asked = options.changed(**changes)
    model = corpus.model
    measures = Measures(model, [node])
    corpus.check_current()
    sample = drawn_from(corpus.columns, asked.n_tokens, asked.seed)
    values = values_of(model, measures, sample, cancel, progress)[0]
    own = values[~sample.held_out]
    threshold = threshold_of(own) if asked.threshold is None else float(asked.threshold)
    active = values > threshold
    rng = np.random.default_rng(asked.seed + 2)
    held, calibrating = (
        texts_of(
            model,
            sample,
            values,
            active,
            held_out=side,
            most=asked.texts,
            window=asked.window,
            rng=rng,
        )
        for side in (True, False)
    )
    if not held.active:
        raise InputError(
            f"{measures.names[0]} is active in no held-out sentence: there is nothing to judge by",
            field="node",
            value=measures.names[0],
            legal="a node that is active somewhere",
            fix="a larger n_tokens, or a lower threshold",
        )
    asking = _Asking(explanation, judge, asked, progress)
    passages = [text.passage for text in held.all]
    truth = [True] * len(held.active) + [False] * len(held.idle)
    return ExplanationScores(
        corpus=corpus.about.name,
        node=measures.names[0],
        explanation=explanation,
        simulation=asking.simulation(held, calibrating),
        detection=asking.verdicts(judge.detect, passages, truth),
        fuzzing=asking.verdicts(judge.fuzz, *marked(held.active, rng)),
    )


class _Asking:
    """Puts the questions to the judge, and scores the answers."""

    def __init__(
        self, explanation: str, judge: Judge, asked: ScoreOptions, progress: Progress | None
    ) -> None:
        self._explanation, self._judge, self._asked = explanation, judge, asked
        self._heard, self._done = progress, 0

    def verdicts(
        self,
        ask: Callable[[str, Sequence[Passage]], Sequence[float | None]],
        passages: Sequence[Passage],
        truth: Sequence[bool],
    ) -> Judged:
        """Detection, or fuzzing; texts come in an order that says nothing."""
        order = np.random.default_rng(self._asked.seed + 3).permutation(len(passages)).tolist()
        answers = ask(self._explanation, [passages[at] for at in order])
        self._check(len(answers), len(passages))
        shuffles, seed = self._asked.shuffles, self._asked.seed
        return judged(answers, [truth[at] for at in order], shuffles=shuffles, seed=seed)

    def simulation(self, held: Texts, calibrating: Texts) -> Simulated:
        """Of held-out texts, calibrated by a line on others."""
        real, told, failed = self._told(held.all)
        calibration = None
        if len(real):
            other, own, _ = self._told(calibrating.all)
            calibration = simulation.linear(other, own) if len(other) else None
        found = simulation.correlation(real, told) if len(real) else None
        if found is None:
            return Simulated(len(real), failed, None, None, None, False)
        shuffles, seed = self._asked.shuffles, self._asked.seed
        null = by_chance(
            lambda order: simulation.correlation(real[order], told) or 0.0,
            len(real),
            shuffles,
            seed,
        )
        explained = None
        if calibration is not None:
            explained = simulation.explained_variance(real, calibration(told))
        return Simulated(len(real), failed, found, explained, null, found > null.high)

    def _told(self, texts: Sequence[Text]) -> tuple[Values, Values, int]:
        """Real and simulated activations of all tokens of texts, and how many texts failed."""
        passages = [text.passage for text in texts]
        answers = self._judge.simulate(self._explanation, passages)
        self._check(len(answers), len(passages))
        real, told = [], []
        for text, answer in zip(texts, answers, strict=True):
            if answer is not None and len(answer) == len(text.values):
                real.append(text.values)
                told.append(np.array(answer, np.float64))
        none = np.empty(0)
        both = [np.concatenate([none, *parts]) for parts in (real, told)]
        return both[0], both[1], len(texts) - len(real)

    def _check(self, n: int, wanted: int) -> None:
        self._done += 1
        if self._heard is not None:
            self._heard("judging", self._done, 4)
        if n != wanted:
            raise InputError(
                f"the judge gave {n} answers to {wanted} texts",
                field="judge",
                value=n,
                legal=f"{wanted} answers, None for each that failed",
            )
