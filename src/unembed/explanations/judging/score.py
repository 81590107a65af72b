"""How well an explanation given as text tells what a node does: `score_explanation`.

Simulation is that of Bills et al. 2023, detection and fuzzing those of Paulo et al. 2024
("Automatically interpreting millions of features in large language models").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.explanations.activity import threshold_of, values_of
from unembed.explanations.chance import Maker, searched_labels, shuffled_values
from unembed.explanations.judging import simulation
from unembed.explanations.judging.judge import Judge, Passage
from unembed.explanations.judging.passages import Text, Texts, marked, texts_of
from unembed.explanations.judging.simulation import Calibration, Values
from unembed.explanations.judging.verdicts import by_chance, judged, spread_of
from unembed.explanations.options import ScoreOptions
from unembed.explanations.sample import Sample, drawn_from
from unembed.explanations.scores import ByChance, ExplanationScores, Judged, Simulated
from unembed.index.corpus.columns import Mask
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.measures import Measures, Node
from unembed.index.store import Array
from unembed.models.progress import Progress

DEFAULTS = ScoreOptions()
Score = TypeVar("Score", Simulated, Judged)


def score_explanation(
    corpus: Corpus,
    node: Node,
    explanation: str,
    judge: Judge,
    *,
    maker: Maker | None = None,
    options: ScoreOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> ExplanationScores:
    """What a judge makes of an explanation: simulation, detection, fuzzing, each beside chance.

    Two nulls stand beside each: the same answers against shuffled truth, and labels that were made
    from shuffled activations, judged on the same texts.

    Args:
        node: as of `explain`, one.
        explanation: any text, a label of `explain` among them.
        judge: who reads it: `unembed.explanations.judging.judge.Judge`.
        maker: who makes labels from shuffled activations; None: the search of `explain`.
        options: which texts it is shown; `changes` are single ones, as in `texts=20`.
        cancel: checked before every layer, and every list of texts.
        progress: called with ("reading the corpus", tokens done, tokens) and ("judging", lists of
            texts done, lists).

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
    trial = trial_of(model, measures.names[0], sample, values, threshold, asked)
    make = searched_labels(model, sample, threshold) if maker is None else maker
    chance = make(shuffled_values(sample, values, asked.chance_labels, asked.seed + 4))
    labels = tuple(one for one in chance if one is not None)
    hearing = Hearing(judge, 4 + 3 * len(labels), cancel, progress)
    told, found, fuzzed = trial.scored(explanation, labels, hearing)
    return ExplanationScores(
        corpus=corpus.about.name,
        node=measures.names[0],
        explanation=explanation,
        judge=name_of(judge),
        chance_labels=labels,
        simulation=told,
        detection=found,
        fuzzing=fuzzed,
    )


def name_of(judge: object) -> str | None:
    """What a judge calls itself, as language models do."""
    name = getattr(judge, "name", None)
    return name if isinstance(name, str) else None


@dataclass
class Hearing:
    """A judge, asked one list of texts after the other."""

    judge: Judge
    n_lists: int
    cancel: Cancel | None
    progress: Progress | None
    done: int = 0

    def heard(self, answers: Sequence[Any], wanted: int) -> None:
        """Count a list of answers. Raises InputError where it has another length."""
        self.done += 1
        if self.progress is not None:
            self.progress("judging", self.done, self.n_lists)
        if self.cancel is not None:
            self.cancel.check()
        if len(answers) != wanted:
            raise InputError(
                f"the judge gave {len(answers)} answers to {wanted} texts",
                field="judge",
                value=len(answers),
                legal=f"{wanted} answers, None for each that failed",
            )


@dataclass(frozen=True, eq=False)
class Trial:
    """The texts on which explanations of one node are judged, and what it really is in them."""

    held: Texts
    calibrating: Texts
    fuzzed: tuple[tuple[Passage, ...], tuple[bool, ...]]  # texts with marks, and which are right
    asked: ScoreOptions

    def scored(
        self, explanation: str, chance: Sequence[str], hearing: Hearing
    ) -> tuple[Simulated, Judged, Judged]:
        """Simulation, detection and fuzzing of an explanation, beside both nulls."""
        told = self._simulation(explanation, hearing)
        detected, fuzzed = (self._verdicts(kind, explanation, hearing) for kind in (False, True))
        others: tuple[list[float], list[float], list[float]] = ([], [], [])
        for label in chance:
            real, simulated, _ = self._told(label, self.held.all, hearing)
            scores = [
                simulation.correlation(*map(_joined, (real, simulated))) if real else None,
                *(self._verdicts(kind, label, hearing).score for kind in (False, True)),
            ]
            for kept, score in zip(others, scores, strict=True):
                if score is not None:
                    kept.append(score)
        return (
            _beside(told, others[0]),
            _beside(detected, others[1]),
            _beside(fuzzed, others[2]),
        )

    def _verdicts(self, marks: bool, explanation: str, hearing: Hearing) -> Judged:
        """Detection, or fuzzing; texts come in an order that says nothing."""
        ask = hearing.judge.fuzz if marks else hearing.judge.detect
        passages, truth = self.fuzzed if marks else self._plain()
        order = np.random.default_rng(self.asked.seed + 3).permutation(len(passages)).tolist()
        answers = ask(explanation, [passages[at] for at in order])
        hearing.heard(answers, len(passages))
        shuffles, seed = self.asked.shuffles, self.asked.seed
        return judged(answers, [truth[at] for at in order], shuffles=shuffles, seed=seed)

    def _plain(self) -> tuple[tuple[Passage, ...], tuple[bool, ...]]:
        truth = [True] * len(self.held.active) + [False] * len(self.held.idle)
        return tuple(text.passage for text in self.held.all), tuple(truth)

    def _simulation(self, explanation: str, hearing: Hearing) -> Simulated:
        """Of held-out texts, calibrated by a line on others."""
        texts, told, failed = self._told(explanation, self.held.all, hearing)
        real, simulated = _joined(texts), _joined(told)
        calibration: Calibration | None = None
        if texts:
            other, own, _ = self._told(explanation, self.calibrating.all, hearing)
            calibration = simulation.linear(_joined(other), _joined(own)) if other else None
        found = simulation.correlation(real, simulated) if texts else None
        if found is None:
            return Simulated(len(real), failed, None, None, None, False)
        shuffles, seed = self.asked.shuffles, self.asked.seed
        null = by_chance(
            lambda order: simulation.correlation(real[order], simulated) or 0.0,
            len(real),
            shuffles,
            seed,
        )
        explained = None
        if calibration is not None:
            explained = simulation.explained_variance(real, calibration(simulated))
        low, high = simulation.correlation_interval(texts, told, shuffles, seed)
        above = found > null.high
        return Simulated(len(real), failed, found, explained, null, above, low, high)

    def _told(
        self, explanation: str, texts: Sequence[Text], hearing: Hearing
    ) -> tuple[list[Values], list[Values], int]:
        """Real and simulated activations of each text, and how many texts failed."""
        passages = [text.passage for text in texts]
        answers = hearing.judge.simulate(explanation, passages)
        hearing.heard(answers, len(passages))
        real, told = [], []
        for text, answer in zip(texts, answers, strict=True):
            if answer is not None and len(answer) == len(text.values):
                real.append(text.values.astype(np.float64))
                told.append(np.array(answer, np.float64))
        return real, told, len(texts) - len(real)


def trial_of(
    model: Model, name: str, sample: Sample, values: Array, threshold: float, asked: ScoreOptions
) -> Trial:
    """The texts of one node. Raises InputError where none of the held-out ones has it active."""
    active: Mask = values > threshold
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
            f"{name} is active in no held-out sentence: there is nothing to judge by",
            field="node",
            value=name,
            legal="a node that is active somewhere",
            fix="a larger n_tokens, or a lower threshold",
        )
    return Trial(held, calibrating, marked(held.active, rng), asked)


def _joined(texts: Sequence[Values]) -> Values:
    return np.concatenate([np.empty(0), *texts])


def _beside(found: Score, chance: Sequence[float]) -> Score:
    """A score with the null of labels made from shuffled activations."""
    if found.score is None or not chance:
        return found
    searched: ByChance = spread_of(chance)
    above = found.above_chance and found.score > searched.high
    return replace(found, searched=searched, above_chance=above)
