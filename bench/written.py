"""What the demo model writes of its own nodes, and what its own judgement of that is worth.

    python bench/written.py FILE... [--model gemma3-270m] [--nodes L0.N1577,L9.H3] [--sae FOLDER]

The files are texts. Each node is labelled by the search, then explained by the model itself, which
also judges: simulation, detection and fuzzing, each beside both nulls. Nothing leaves the machine.
A line of a Markdown table is printed for each node, as soon as it is known.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time

import torch

import unembed as ue
from unembed.explanations.scores import Judged, Simulated

NEURONS = (
    "L0.N1577,L1.N1722,L3.N165,L5.N1060,L6.N1990,L9.N1658,L11.N1242,L13.N1952,L15.N1466,L17.N894"
)


def shown(one: Simulated | Judged) -> str:
    """Score (95%) / larger null."""
    if one.score is None:
        return f"none ({one.failed} failed)"
    nulls = [null.high for null in (one.null, one.searched) if null is not None]
    return f"{one.score:.2f} ({one.low:.2f}–{one.high:.2f}) / {max(nulls):.2f}"


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("files", nargs="+")
    flags.add_argument("--model", default="gemma3-270m")
    flags.add_argument("--nodes", default=NEURONS)
    flags.add_argument("--sae")
    flags.add_argument("--style", default="examples")
    flags.add_argument("--tokens", type=int, default=8000)
    flags.add_argument("--texts", type=int, default=5)
    flags.add_argument("--window", type=int, default=16)
    flags.add_argument("--threads", type=int, default=1)
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    model = ue.load(chosen.model)
    if chosen.sae:
        model.attach(ue.load_sae(chosen.sae))
    with tempfile.TemporaryDirectory(prefix="unembed-bench-") as folder:
        corpus = ue.index_corpus(model, chosen.files, "bench", [0], folder=folder, kept="hidden")
        explainer = ue.LocalExplainer(model, chosen.style, texts=4, window=16)
        judge = ue.LocalJudge(model)
        names = chosen.nodes.split(",")
        found = ue.explain(corpus, names, n_tokens=chosen.tokens, explainer=explainer)
        print("| node | label | F1 | supported | written | simulation | detection | fuzzing |")
        for item in found.items:
            before = time.perf_counter()
            text = item.written.text if item.written else None
            cells = ["no words", "", "", ""]
            if text is not None:
                try:
                    scores = ue.score_explanation(
                        corpus,
                        item.node,
                        text,
                        judge,
                        n_tokens=chosen.tokens,
                        texts=chosen.texts,
                        window=chosen.window,
                        chance_labels=1,
                    )
                    kinds = (scores.simulation, scores.detection, scores.fuzzing)
                    cells = [text, *map(shown, kinds)]
                except ue.errors.InputError as error:
                    cells = [text, error.message, "", ""]
            f1 = "" if item.held_out is None else f"{item.held_out.f1:.2f}"
            known = "yes" if item.supported else "no"
            row = [f"`{item.node}`", item.label or "none", f1, known, *cells]
            print(f"| {' | '.join(row)} |", flush=True)
            print(f"{item.node}: {time.perf_counter() - before:.0f} s", file=sys.stderr, flush=True)
        print(judge.counts, explainer.counts, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
