"""Edits of the address: the app refuses what the server refuses, and nothing else.

`edits.json` holds made-up edits with the server's verdict on each, which the app's own test
(web/src/shared/text/edits.test.ts) reads, too. After a change of the rules delete it: the next run
of this test writes it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from unembed.engine.model import Model
from unembed.questions.operations import OPERATIONS

from .asgi import post

FILE = Path(__file__).parent / "edits.json"
N, PROMPT = 400, "the cat sat on"
NODES = ("L1.N2", "L1.H1", "L0.attn", "L1.mlp", "embed", "L1.resid_post", "L0.H1@2", "L9.H0")
FLOW = ("L1.H1", "L1.N2", "L0.H1.value@1", "L0.z3", "L0.resid_pre>L0.resid_mid")


def width(target: str, model: Model) -> int:
    if ".N" in target:
        return 1
    return model.anatomy.d_head if ".H" in target else model.anatomy.d_model


def made_up(model: Model) -> list[dict[str, Any]]:
    """Edits that fit their operation, but for a part or two, drawn without regard to what fits."""
    draw = random.Random(0)
    edits = []
    for order in range(N):
        row = OPERATIONS[order % len(OPERATIONS)]
        nodes = FLOW if row.name == "cut" else NODES[:1] if row.target == "NEURON" else NODES
        target = draw.choice(nodes)
        source = {"prompt": PROMPT, "positions": None}  # as long: which positions is clear
        vector = [0.5] * width(target, model)
        edit = {
            "target": target,
            "operation": row.name,
            "value": {"number": 2.0, "vector": draw.choice([2.0, vector])}.get(row.takes),
            "positions": None if "@" in target else draw.choice([None, [0]]),
            "stage": "post",
            "sign": 1,
            "source": source if row.takes == "source" else None,
            "pairs": [[1, 0], [-1, 0]] if row.takes == "pairs" else None,
            "between": None,
            "renormalise": row.takes == "pairs" and draw.random() < 0.5,
        }
        if row.places == "none":
            edit["positions"] = None
        wrong: dict[str, list[Any]] = {
            "target": [*(FLOW if row.name == "cut" else NODES)],
            "value": [None, 2.0, vector, [1.0] * 3],
            "positions": [None, [1, 2]],
            "stage": ["pre"],
            "sign": [-1],
            "source": [None, source],
            "pairs": [None, [[1, 0]]],
            "renormalise": [True],
        }
        for part in draw.sample([*wrong], draw.choice([0, 1, 1, 2])):
            edit[part] = draw.choice(wrong[part])
        edits.append(edit)
    return edits


def verdicts(app: Any, model: Model) -> dict[str, Any]:
    """What the server says of each edit: the part that it refuses, or None."""
    rows = []
    for edit in made_up(model):
        answer = post(app, "/api/predictions", {"prompt": PROMPT, "edits": [edit], "top_k": 1})
        refused = None if answer.status == 200 else answer.error["field"]
        assert refused is None or refused.startswith("edits[0]"), answer.error
        rows.append({"edit": edit, "refused": refused})
    anatomy = model.anatomy
    names = ("n_layers", "n_heads", "d_model", "d_head", "d_mlp")
    return {"model": {name: getattr(anatomy, name) for name in names}, "edits": rows}


def test_the_server_says_of_made_up_edits_what_the_app_is_held_to(app, model):
    found = verdicts(app, model)
    if not FILE.exists():
        rows = ",\n".join(json.dumps(row) for row in found["edits"])
        FILE.write_text(f'{{"model": {json.dumps(found["model"])},\n"edits": [\n{rows}\n]}}\n')
    assert found == json.loads(FILE.read_text("utf-8"))
    refused = [row["refused"] for row in found["edits"]]
    assert N / 4 < refused.count(None) < N * 3 / 4, "both verdicts occur"
    assert {"edits[0].value", "edits[0].stage", "edits[0].sign", "edits[0].source"} < set(refused)
