"""How well estimated total effects agree with measured ones, by kind of node.

    python bench/estimators.py [--quick] [--model NAME_OR_FILE] [--most N] [--kinds head,key]

The demo model, or another one; prompts with an answer and a wrong answer. Measured, each by a run
without it: heads, neurons, token embeddings, queries and keys at every position; of each kind and
prompt at most N, half of them those whose estimate is largest and half drawn at random. Printed:
how each estimator correlates with what was measured, as numbers and as ranks, over all prompts.
Integrated gradients, which take hundreds of passes, are tried on the first prompt alone (--quick).
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
SLOW = "integrated, no norm held"


def nodes_of(found: Attribution, kinds: list[str], most: int) -> list[AttributedNode]:
    """What is measured."""
    rows: list[AttributedNode] = []
    for kind in kinds:
        some = found.top(10**9, kinds=[kind])
        drawn = random.Random(0).sample(some[most // 2 :], max(0, min(most, len(some)) - most // 2))
        rows += [*some[: most // 2], *drawn]
    return rows


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--quick", action="store_true", help="the first prompt alone")
    flags.add_argument("--model", default="gemma3-270m", help="what ue.load takes")
    flags.add_argument("--most", type=int, default=400, help="of a kind, measured of each prompt")
    flags.add_argument("--kinds", default=",".join(KINDS), help="kinds of node, with commas")
    chosen = flags.parse_args()
    kinds = chosen.kinds.split(",")
    torch.set_num_threads(1)
    model = ue.load(chosen.model)
    measured: dict[str, list[float]] = defaultdict(list)
    estimated: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for prompt, target, other in PROMPTS[:1] if chosen.quick else PROMPTS:
        why = ue.Objective.logit_diff(target, other)
        plain = ue.attribute(model, prompt, why, pairs=False, qk="softmax")
        rows = nodes_of(plain, kinds, chosen.most)
        edits = [ue.zero(row.name) for row in rows]
        values = ue.sweep(model, prompt, [(), *edits], objective=why).values
        for row, value in zip(rows, values[1:].tolist(), strict=True):
            measured[row.kind].append(float(values[0]) - value)
        for name, options in ESTIMATORS.items():
            if name == SLOW and not chosen.quick:
                continue
            found = ue.attribute(model, prompt, why, pairs=False, **options)
            for row in rows:
                if found.has_node(row.name):
                    estimated[name][row.kind].append(found.node(row.name).total)
    print_table(model.name, measured, estimated)


def print_table(
    model: str, measured: dict[str, list[float]], estimated: dict[str, dict[str, list[float]]]
) -> None:
    """One row for each estimator: Pearson and ranks, kind by kind."""
    sizes = ", ".join(f"{len(values):,} of {kind}" for kind, values in measured.items())
    table = Table(title=f"{model}: estimated and measured, Pearson / Spearman; {sizes}")
    for heading in ("estimator", *measured):
        table.add_column(heading)
    for name, by_kind in estimated.items():
        cells = []
        for kind in measured:
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
