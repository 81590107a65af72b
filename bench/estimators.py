"""How well estimated total effects agree with measured ones, by kind of node.

    python bench/estimators.py [--quick] [--model NAME_OR_FILE] [--most N] [--kinds head,key]
    python bench/estimators.py --pairs N [--model NAME_OR_FILE] [--templates ioi,facts]

The demo model, or another one; prompts with an answer and a wrong answer. Measured, each by a run
without it: heads, neurons, token embeddings, queries and keys at every position; of each kind and
prompt at most N, half of them those whose estimate is largest and half drawn at random. Printed:
how each estimator correlates with what was measured, as numbers and as ranks, over all prompts.
Integrated gradients, which take hundreds of passes, are tried on the first prompt alone (--quick).

With `--pairs`, of two prompts: N pairs of each template, every cell of their patching grids into
the clean prompt, from the first token that differs on: what feed-forward and attention add, the
stream before both, and heads at all positions. Some of the cells are measured by a plain hook, too.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from itertools import islice, product

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

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
BETWEEN = {
    "gradient, no norm held": {"estimator": "gradient"},
    "gradient, final norm held": {"estimator": "gradient", "frozen": "final"},
    "gradient, all norms held": {"estimator": "gradient", "frozen": "all"},
    "RelP": {"estimator": "relp"},
    "GradDrop (AtP*)": {"estimator": "graddrop"},
    "integrated, 3 steps": {"estimator": "integrated", "steps": 3},
}
SITES = ("mlp_out", "attn_out", "resid_pre", "resid_mid", "heads")
Cells = dict[str, Tensor]  # by site: [layer, column]


def cells_of(found: Attribution, n_layers: int) -> Cells:
    """Estimates as a grid has its cells: of heads sums over positions."""
    by_stem = {group.stem: group.total.double() for group in found.groups}
    stems = {"mlp_out": "mlp", "attn_out": "attn", "heads": "H"}
    return {
        site: torch.stack(
            [
                by_stem[f"L{layer}.{stems.get(site, site)}"].sum(0 if site == "heads" else 1)
                for layer in range(n_layers)
            ]
        )
        for site in SITES
    }


def measured_of(model: ue.Model, pair: ue.PromptPair, why: ue.Objective) -> Cells:
    """What the answer loses with each cell of the corrupted prompt in the clean one."""
    found = {}
    for site in SITES:
        grid = ue.patch_grid(model, pair.clean, pair.corrupted, why, site=site, into="clean")
        found[site] = grid.clean - grid.values.double()
    return found


def furthest_of_hook(model: ue.Model, pair: ue.PromptPair, cells: Tensor) -> float:
    """How far some cells of the stream are from what a plain hook on the block measures."""
    ids, other = (
        torch.tensor([model.read_prompt(one).ids], device=model.device)
        for one in (pair.clean, pair.corrupted)
    )
    goal = [model.token_id(token) for token in (pair.answer, pair.wrong)]

    def answer(tokens: Tensor) -> float:
        logits = model.module(tokens, use_cache=False).logits[0, -1].double()
        return float(logits[goal[0]] - logits[goal[1]])

    def patched(layer: int, position: int) -> float:
        block = model.module.get_submodule(model.anatomy.blocks[layer].module)
        kept: list[Tensor] = []
        handle = block.register_forward_pre_hook(lambda _, args: kept.append(args[0].clone()))
        answer(other)
        handle.remove()

        def put(_: object, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            states = args[0].clone()
            states[:, position] = kept[0][:, position]
            return (states, *args[1:])

        handle = block.register_forward_pre_hook(put)
        value = answer(ids)
        handle.remove()
        return value

    with torch.no_grad():
        whole = answer(ids)
        places = random.Random(0).sample(list(product(*map(range, cells.shape))), 4)
        return max(abs(whole - patched(*one) - float(cells[one])) for one in places)


def between_prompts(model: ue.Model, templates: list[str], n_pairs: int) -> None:
    """The table of pairs of prompts, with every layer and without the first."""
    measured: dict[str, list[Cells]] = {"every layer": [], "without the first layer": []}
    estimated = {name: {part: [] for part in measured} for name in BETWEEN}
    furthest = 0.0
    for pair in pairs_of(model, templates, n_pairs):
        why = ue.Objective.logit_diff(pair.answer, pair.wrong)
        ids, other = (model.read_prompt(one).ids for one in (pair.clean, pair.corrupted))
        first = next(at for at, (one, two) in enumerate(zip(ids, other, strict=True)) if one != two)
        cells = measured_of(model, pair, why)
        furthest = max(furthest, furthest_of_hook(model, pair, cells["resid_pre"]))
        append(measured, cells, first)
        for name, options in BETWEEN.items():
            found = ue.attribute(
                model, pair.clean, why, against="prompt", references=pair.corrupted,
                pairs=False, wholes=True, **options,
            )  # fmt: skip
            append(estimated[name], cells_of(found, model.anatomy.n_layers), first)
        print(f"{pair.clean!r} {cells['resid_pre'].shape}", flush=True)
    for part, cells in measured.items():
        print_table(
            f"{model.name}, {part}; {furthest:.1e} from plain hooks at most",
            {site: joined(cells, site) for site in SITES},
            {
                name: {site: joined(of[part], site) for site in SITES}
                for name, of in estimated.items()
            },
        )


def pairs_of(model: ue.Model, templates: list[str], n_pairs: int) -> list[ue.PromptPair]:
    """The first of each template whose prompts have as many tokens."""
    found = []
    for name in templates:
        fitting = (
            pair
            for pair in ue.pair_template(name)
            if len(model.read_prompt(pair.clean).ids) == len(model.read_prompt(pair.corrupted).ids)
        )
        found += islice(fitting, n_pairs)
    return found


def append(to: dict[str, list[Cells]], cells: Cells, first: int) -> None:
    """With the cells that can do something: from a position on, but for heads."""
    for skipped, some in enumerate(to.values()):
        some.append(
            {
                site: values[skipped:, 0 if site == "heads" else first :].flatten()
                for site, values in cells.items()
            }
        )


def joined(cells: list[Cells], site: str) -> list[float]:
    """Of all pairs."""
    return torch.cat([one[site] for one in cells]).tolist()


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
    flags.add_argument("--pairs", type=int, default=0, help="of each template, patched in")
    flags.add_argument("--templates", default="ioi,facts,greater_than,agreement")
    chosen = flags.parse_args()
    kinds = chosen.kinds.split(",")
    torch.set_num_threads(1)
    model = ue.load(chosen.model)
    if chosen.pairs:
        between_prompts(model, chosen.templates.split(","), chosen.pairs)
        return
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
