"""Scores of explanations given as text: scikit-learn's metrics, and failures stay failures."""

from __future__ import annotations

import numpy as np
import pytest

from unembed.errors import InputError
from unembed.explanations.judging.score import score_explanation
from unembed.explanations.judging.verdicts import judged

from . import world


@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_scikit_learns_on_the_same_judgements(seed, metrics):
    rng = np.random.default_rng(seed)
    truth = rng.random(60) < 0.5
    answers = np.round(np.clip(rng.random(60) * 0.7 + 0.3 * truth, 0, 1), 1).tolist()
    failed = set(rng.choice(60, 5, replace=False).tolist())
    given = [None if at in failed else answer for at, answer in enumerate(answers)]
    found = judged(given, truth.tolist(), shuffles=50, seed=1)
    kept = [at for at in range(60) if at not in failed]
    true, said = truth[kept], np.array(answers)[kept]
    yes = said >= 0.5
    assert (found.n, found.failed) == (55, 5)
    wanted = {
        "precision": metrics.precision_score(true, yes),
        "recall": metrics.recall_score(true, yes),
        "f1": metrics.f1_score(true, yes),
        "balanced_accuracy": metrics.balanced_accuracy_score(true, yes),
        "auc": metrics.roc_auc_score(true, said),
    }
    assert {name: getattr(found, name) for name in wanted} == pytest.approx(wanted)
    assert found.null.low < 0.5 < found.null.high


def test_what_cannot_be_judged_is_no_score():
    for answers, truth in ([None, None], [True, False]), ([1.0, 0.0], [True, True]), ([], []):
        found = judged(answers, truth, shuffles=10, seed=0)
        assert (found.f1, found.auc, found.null, found.above_chance) == (None, None, None, False)
        assert found.n + found.failed == len(answers)


# ---------------------------------------------------------------- judges that are rules
FEW = 3000


class Knowing:
    """Reads "word X" and says of texts what is so."""

    def __init__(self, every=0):
        self.every, self.asked = every, 0  # each of `every` answers fails

    def _answers(self, made):
        found = []
        for one in made:
            self.asked += 1
            found.append(None if self.every and self.asked % self.every == 0 else one)
        return found

    def simulate(self, explanation, passages):
        word = explanation.split()[-1]
        return self._answers([tuple(10.0 * (t == word) for t in p.tokens) for p in passages])

    def detect(self, explanation, passages):
        word = explanation.split()[-1]
        return self._answers([float(word in p.tokens) for p in passages])

    def fuzz(self, explanation, passages):
        word = explanation.split()[-1]
        return self._answers(
            [float(np.mean([p.tokens[at] == word for at in p.marked]) > 0.5) for p in passages]
        )


@pytest.fixture(scope="module")
def right(corpus):
    return score_explanation(corpus, "L0.F0", "the word the", Knowing(), n_tokens=FEW)


def test_a_right_explanation_scores_high_and_above_chance(right):
    assert right.simulation.correlation > 0.85
    assert right.simulation.explained_variance > 0.7
    for found in (right.detection, right.fuzzing):
        assert found.balanced_accuracy > 0.85
        assert found.n == 20
        assert found.above_chance
    assert right.simulation.above_chance
    assert abs(right.simulation.null.mean) < 0.03


def test_a_wrong_explanation_is_at_chance(corpus):
    found = score_explanation(corpus, "L0.F0", "the word brom", Knowing(), n_tokens=FEW)
    for one in (found.simulation, found.detection, found.fuzzing):
        assert not one.above_chance
    assert found.detection.balanced_accuracy == pytest.approx(0.5, abs=0.1)


def test_numbers_are_those_of_a_look_at_every_text(corpus, right):
    """The correlation again, from the words and values of the held-out sentences by hand."""
    seen = []

    class Watching(Knowing):
        def simulate(self, explanation, passages):
            seen.append(passages)
            return super().simulate(explanation, passages)

    again = score_explanation(corpus, "L0.F0", "the word the", Watching(), n_tokens=FEW)
    assert again == right
    texts = {tuple(words): words for words in world.sentences()}
    latents = world.planted()
    real, told = [], []
    for passage in seen[0]:
        words = next(one for one in texts if contains(one, passage.tokens))
        start = contains(words, passage.tokens) - 1
        values = world.values(words, [*latents, *[None] * 60])[:, 0]
        real += values[start : start + len(passage.tokens)].tolist()
        told += [10.0 * (token == "the") for token in passage.tokens]
    assert again.simulation.n == len(real)
    assert again.simulation.correlation == pytest.approx(np.corrcoef(real, told)[0, 1], rel=1e-5)


def contains(words, part):
    """From 1 on, where a part begins; 0: nowhere."""
    starts = range(len(words) - len(part) + 1)
    return next((at + 1 for at in starts if tuple(words[at : at + len(part)]) == part), 0)


def test_failures_are_counted_and_change_nothing_else(corpus, right):
    found = score_explanation(corpus, "L0.F0", "the word the", Knowing(every=4), n_tokens=FEW)
    for name in ("simulation", "detection", "fuzzing"):
        some, every = getattr(found, name), getattr(right, name)
        assert some.failed == 5
        assert every.failed == 0
        assert some.n < every.n
    assert found.detection.balanced_accuracy > 0.8
    none = score_explanation(corpus, "L0.F0", "x", Knowing(every=1), n_tokens=FEW)
    assert (none.simulation.failed, none.detection.failed, none.fuzzing.failed) == (20, 20, 20)
    assert none.simulation.correlation is None
    assert none.to_pandas()["failed"].tolist() == [20, 20, 20]


def test_a_judge_that_miscounts_and_a_node_that_is_idle_are_refused(corpus):
    class Short(Knowing):
        def detect(self, explanation, passages):
            return super().detect(explanation, passages)[1:]

    with pytest.raises(InputError, match="19 answers to 20"):
        score_explanation(corpus, "L0.F0", "x", Short(), n_tokens=FEW)
    with pytest.raises(InputError, match="active in no held-out"):
        score_explanation(corpus, "L0.F0", "x", Knowing(), n_tokens=FEW, threshold=1e6)
