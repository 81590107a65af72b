"""How well estimated total effects agree with measured ones, by kind of node.

    python bench/estimators.py [--quick]

The demo model; prompts with an answer and a wrong answer. Measured, each by a run without it:
every head and every token's embedding at every position, the 200 neurons whose estimate is largest
and 200 drawn at random. Printed: how each estimator correlates with what was measured, as numbers
and as ranks, over all prompts.
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
    f"{estimator}, norms held: {frozen}": {"estimator": estimator, "frozen": frozen}
    for estimator in ("gradient", "integrated")
    for frozen in ("final", "all", "none")
} | {"RelP": {"estimator": "relp"}, "GradDrop": {"estimator": "graddrop"}}
N_NEURONS = 200


def nodes_of(found: Attribution) -> list[AttributedNode]:
    """What is measured."""
    rows = list(found.top(10**6, kinds=["embed", "head"]))
    neurons = found.top(10**9, kinds=["neuron"])
    drawn = random.Random(0).sample(neurons[N_NEURONS:], N_NEURONS)
    return [*rows, *neurons[:N_NEURONS], *drawn]


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--quick", action="store_true", help="the first prompt alone")
    prompts = PROMPTS[:1] if flags.parse_args().quick else PROMPTS
    torch.set_num_threads(1)
    model = ue.load("gemma3-270m")
    measured: dict[str, list[float]] = defaultdict(list)
    estimated: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for prompt, target, other in prompts:
        why = ue.Objective.logit_diff(target, other)
        plain = ue.attribute(model, prompt, why, pairs=False)
        rows = nodes_of(plain)
        edits = [ue.zero(row.name) for row in rows]
        values = ue.sweep(model, prompt, [(), *edits], objective=why).values
        for row, value in zip(rows, values[1:].tolist(), strict=True):
            measured[row.kind].append(float(values[0]) - value)
        for name, options in ESTIMATORS.items():
            found = ue.attribute(model, prompt, why, pairs=False, **options)
            for row in rows:
                estimated[name][row.kind].append(found.node(row.name).total)
    print_table(measured, estimated)


def print_table(
    measured: dict[str, list[float]], estimated: dict[str, dict[str, list[float]]]
) -> None:
    """One row for each estimator: Pearson and ranks, kind by kind."""
    sizes = ", ".join(f"{len(values):,} {kind}s" for kind, values in measured.items())
    table = Table(title=f"Estimated and measured: Pearson / Spearman; {sizes}")
    for heading in ("estimator", *measured):
        table.add_column(heading)
    for name, by_kind in estimated.items():
        cells = []
        for kind, values in measured.items():
            check = agreement(torch.tensor(by_kind[kind]).double(), torch.tensor(values).double())
            cells.append(f"{check.pearson or 0:.3f} / {check.spearman or 0:.3f}")
        table.add_row(name, *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
