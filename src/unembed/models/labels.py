"""Models whose head gives labels: to a text as a whole, or to each of its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from unembed.errors import TargetError

_CLASSES: dict[str, Literal["text", "token"]] = {
    "ForSequenceClassification": "text",
    "ForTokenClassification": "token",
}


Link = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True)
class Labels:
    """What a head says of a text, or of each token: one score for each name.

    `link` is how scores become probabilities: of one label among all, of each by itself, or not at
    all where a score is a quantity.
    """

    of: Literal["text", "token"]
    names: tuple[str, ...]
    link: Link = "softmax"

    def index(self, label: str | int) -> int:
        """Which score is that of a label, by its name or number; raises TargetError."""
        if isinstance(label, int) and 0 <= label < len(self.names):
            return label
        found = [order for order, name in enumerate(self.names) if name == label]
        if len(found) == 1:
            return found[0]
        what = f"the name of {len(found)} labels" if found else "no label of this model"
        shown = ", ".join(repr(name) for name in self.names[:8])
        raise TargetError(
            f"{label!r} is {what}",
            field="target",
            value=label,
            legal=f"0-{len(self.names) - 1}"
            if found
            else f"{shown}{' ...' if len(self.names) > 8 else ''}, or 0-{len(self.names) - 1}",
        )

    @property
    def reason(self) -> str:
        """Why such a model predicts no tokens."""
        what = "a text as a whole" if self.of == "text" else "each token"
        names = ", ".join(self.names[:4]) + (" ..." if len(self.names) > 4 else "")
        return f"its head gives {what} one of {len(self.names)} labels ({names}), and no next token"


def labels_given_by(architecture: str) -> Literal["text", "token"] | None:
    """What a class of models gives labels to, by its name; None where it gives none."""
    return next((of for end, of in _CLASSES.items() if architecture.endswith(end)), None)


def labels_of(module: nn.Module) -> Labels | None:
    """The labels that a model gives; None for a language model."""
    of = labels_given_by(type(module).__name__)
    if of is None:
        return None
    config: Any = module.config
    names: dict[int, str] = config.id2label or {}
    named = tuple(str(names.get(one, one)) for one in range(config.num_labels))
    return Labels(of, named, _link(getattr(config, "problem_type", None), len(named)))


def _link(problem: str | None, n_labels: int) -> Link:
    """As transformers chooses the loss; a single label without a stated problem is a quantity."""
    if problem == "multi_label_classification":
        return "sigmoid"
    quantity = problem == "regression" or (problem is None and n_labels == 1)
    return "none" if quantity else "softmax"
