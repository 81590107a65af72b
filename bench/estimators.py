"""How well estimated total effects agree with measured ones, by kind of node.

    python bench/estimators.py [--quick] [--model NAME_OR_FILE]

The demo model, or another one; prompts with an answer and a wrong answer. Measured, each by a run
without it: every head, its query and its key, and every token's embedding, at every position; the
200 neurons whose estimate is largest and 200 drawn at random. Printed: how each estimator
correlates with what was measured, as numbers and as ranks, over all prompts.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict

import torch
from rich.console import Console
from rich.table import Table

import unembed as ue
from unembed.analyses.attribution.measure import agreement
from unembed.analyses.attribution.result import AttributedNode, Attribution

PROMPTS = [
    ("The capital of Japan is the city of", " Tokyo", " Paris"),
    ("When Mary and John went to the store, John gave a drink to", " Mary", " John"),
    ("The keys to the cabinet on the table", " are", " is"),
]
ESTIMATORS = {
    "gradient, no norm held": {"qk": "linear"},
    "the same, softmax anew": {"qk": "softmax"},
    "gradient, final norm held": {"frozen": "final"},
    "gradient, all norms held": {"frozen": "all"},
    "integrated, no norm held": {"estimator": "integrated"},
    "RelP": {"estimator": "relp"},
    "GradDrop, softmax anew (AtP*)": {"estimator": "graddrop", "qk": "softmax"},
}
KINDS = ("head", "neuron", "embed", "query", "key")
N_NEURONS = 200


def nodes_of(found: Attribution) -> list[AttributedNode]:
    """What is measured."""
    rows = list(found.top(10**6, kinds=["embed", "head", "query", "key"]))
    neurons = found.top(10**9, kinds=["neuron"])
    drawn = random.Random(0).sample(neurons[N_NEURONS:], N_NEURONS)
    return [*rows, *neurons[:N_NEURONS], *drawn]


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--quick", action="store_true", help="the first prompt alone")
    flags.add_argument("--model", default="gemma3-270m", help="what ue.load takes")
    chosen = flags.parse_args()
    torch.set_num_threads(1)
    model = ue.load(chosen.model)
    measured: dict[str, list[float]] = defaultdict(list)
    estimated: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for prompt, target, other in PROMPTS[:1] if chosen.quick else PROMPTS:
        why = ue.Objective.logit_diff(target, other)
        plain = ue.attribute(model, prompt, why, pairs=False, qk="softmax")
        rows = nodes_of(plain)
        edits = [ue.zero(row.name) for row in rows]
        values = ue.sweep(model, prompt, [(), *edits], objective=why).values
        for row, value in zip(rows, values[1:].tolist(), strict=True):
            measured[row.kind].append(float(values[0]) - value)
        for name, options in ESTIMATORS.items():
            found = ue.attribute(model, prompt, why, pairs=False, **options)
            for row in rows:
                if found.has_node(row.name):
                    estimated[name][row.kind].append(found.node(row.name).total)
    print_table(model.name, measured, estimated)


def print_table(
    model: str, measured: dict[str, list[float]], estimated: dict[str, dict[str, list[float]]]
) -> None:
    """One row for each estimator: Pearson and ranks, kind by kind."""
    sizes = ", ".join(f"{len(measured[kind]):,} of {kind}" for kind in KINDS)
    table = Table(title=f"{model}: estimated and measured, Pearson / Spearman; {sizes}")
    for heading in ("estimator", *KINDS):
        table.add_column(heading)
    for name, by_kind in estimated.items():
        cells = []
        for kind in KINDS:
            values, estimates = (
                torch.tensor(some[kind], dtype=torch.float64) for some in (measured, by_kind)
            )
            check = agreement(estimates, values) if len(estimates) == len(values) else None
            cells.append(
                "-" if check is None else f"{check.pearson or 0:.3f} / {check.spearman or 0:.3f}"
            )
        table.add_row(name, *cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
