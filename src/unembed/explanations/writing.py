"""What language models write of nodes, and what judges make of that, beside nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.explanations.chance import shuffled_values
from unembed.explanations.explaining.evidence import evidence_of
from unembed.explanations.explaining.explainer import Evidence, Explainer
from unembed.explanations.judging.judge import Judge
from unembed.explanations.judging.score import Hearing, name_of, trial_of
from unembed.explanations.options import ScoreOptions
from unembed.explanations.result import Explanation, Written
from unembed.explanations.sample import Sample
from unembed.index.corpus.measures import Measures
from unembed.index.store import Array
from unembed.models.progress import Progress

ASKED = ScoreOptions()
FEWEST = 5  # active tokens of the sentences that labels are made from


@dataclass(frozen=True, eq=False)
class Writing:
    """Has all nodes explained, and then every explanation judged.

    What is written of shuffled activations is asked for with the rest, so that who agrees to what
    is sent agrees once to all that is written, and once to each list of texts that is judged.
    """

    model: Model
    measures: Measures
    sample: Sample
    values: Array  # [node, token]
    explainer: Explainer
    judge: Judge | None
    cancel: Cancel | None
    progress: Progress | None

    def of(self, items: Sequence[Explanation]) -> list[Explanation]:
        """The same explanations, with what was written of each node."""
        shown = {order: self._shown(order, item) for order, item in enumerate(items)}
        asked = [order for order, several in shown.items() if several]
        texts = self._written([one for order in asked for one in shown[order]])
        found = []
        at = 0
        for order, item in enumerate(items):
            n = len(shown[order])
            own, at = texts[at : at + n], at + n
            if self.judge is not None and self.progress is not None:
                self.progress("judging", order, len(items))
            written = self._one(order, item, own)
            found.append(replace(item, written=written))
        return found

    def _shown(self, order: int, item: Explanation) -> list[Evidence]:
        """The evidence of a node, and of shuffled ones where there is a judge; none where idle."""
        values = self.values[order]
        own = int((values[~self.sample.held_out] > item.threshold).sum())
        if own < FEWEST:
            return []
        times = 0 if self.judge is None else ASKED.chance_labels
        several = [values, *shuffled_values(self.sample, values, times, ASKED.seed + 4)]
        return [
            evidence_of(
                self.model,
                self.sample,
                item.node,
                self.measures.targets[order],
                one,
                one > item.threshold,
                item.promotes,
                texts=self.explainer.texts,
                window=self.explainer.window,
                cancel=self.cancel,
            )
            for one in several
        ]

    def _written(self, evidence: Sequence[Evidence]) -> list[str | None]:
        """What is said of each. Raises InputError where that is another number of answers."""
        texts = [*self.explainer.write(evidence)]
        if len(texts) != len(evidence):
            raise InputError(
                f"the explainer gave {len(texts)} answers to {len(evidence)} nodes",
                field="explainer",
                value=len(texts),
                legal=f"{len(evidence)} answers, None for each that failed",
            )
        return texts

    def _one(self, order: int, item: Explanation, texts: Sequence[str | None]) -> Written:
        text = texts[0] if texts else None
        reason = None
        if not texts:
            reason = f"active at fewer than {FEWEST} tokens: too few to be shown"
        elif text is None:
            reason = "the explainer gave no answer that could be read"
        plain = Written(
            text, reason, self.explainer.name, self.explainer.style, None, (), None, None, None
        )
        if text is None or self.judge is None:
            return plain
        labels = tuple(one for one in texts[1:] if one is not None)
        try:
            trial = trial_of(
                self.model, item.node, self.sample, self.values[order], item.threshold, ASKED
            )
        except InputError as error:
            return replace(plain, reason=f"not judged: {error.message}")
        hearing = Hearing(self.judge, 0, self.cancel, None)
        told, detected, fuzzed = trial.scored(text, labels, hearing)
        return replace(
            plain,
            judge=name_of(self.judge) or "a judge without a name",
            chance_labels=labels,
            simulation=told,
            detection=detected,
            fuzzing=fuzzed,
        )
