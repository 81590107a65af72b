"""What a self-check found, and how it compares two sides of an equation."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Report:
    """What the self-check found.

    `errors` has the worst relative error of each equation; `reasons` why parts are refused;
    `fatal` why the whole model is; `layers` which were checked, None for all of them; `gated` are
    those whose heads are multiplied by a gate. `encoder_reasons` are `reasons` of its encoder.
    """

    tolerance: float
    errors: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    fatal: str | None = None
    layers: tuple[int, ...] | None = None
    gated: set[int] = field(default_factory=set)
    encoder_reasons: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was refused by the check itself."""
        return self.fatal is None and not self.reasons and not self.encoder_reasons


def compare(
    report: Report,
    equation: str,
    left: Tensor,
    right: Tensor,
    parts: tuple[str, ...] = (),
    at_least: float = 0.0,
    because: str = "",
) -> None:
    """Note the relative error; refuse `parts`, or the model if there are none, where too large.

    `at_least` is a tolerance for equations that the model itself computes more coarsely; `because`
    is what is known of why it may fail.
    """
    error = relative_error(left, right)
    report.errors[equation] = max(report.errors.get(equation, 0.0), error)
    if error <= max(report.tolerance, at_least):
        return
    sentence = f"the self-check found {equation} off by {error:.1e} (relative)"
    sentence += f": {because}" if because else ""
    if not parts:
        report.fatal = report.fatal or sentence
    for part in parts:
        report.reasons.setdefault(part, sentence)


def relative_error(left: Tensor, right: Tensor) -> float:
    """The largest difference over the largest number on the right; infinite where shapes differ."""
    if left.shape != right.shape:
        return float("inf")
    # scores of keys that a mask hides are -inf on both sides
    difference = (left - right).abs().masked_fill(left == right, 0.0)
    largest = right.abs().masked_fill(right.isinf() & (left == right), 0.0)
    error = float(difference.max()) / max(float(largest.max()), 1e-30)
    return error if error == error else float("inf")
