"""From a model to what exBERT recorded of its attention, and how close it must be.

`test_attention_checks` holds these to plain loops on a tiny model, and to failing where a figure is
wrong.
"""

from __future__ import annotations

import unembed as ue

CLOSE = 2e-3  # of a share of attention or a probability: another version of the same model
CLOSE_SUM = 2e-2  # of a dozen of them
CLOSE_MEAN = 5e-4  # of a mean over all positions


def recorded_layer(run, recorded):
    """The layer whose first head has the recorded first number, most nearly."""
    first = recorded.rows[0, 0][0]
    layers = range(run.model.anatomy.n_layers)
    return min(layers, key=lambda layer: abs(float(run[f"L{layer}.pattern"][0, 0, 0]) - first))


def check_recorded(model, recorded):
    """Everything wrong with one recorded answer."""
    edits = [ue.mask(recorded.masked)] if recorded.masked else []
    run = model.run(recorded.text, ["pattern"], edits)
    layer = recorded_layer(run, recorded)
    pattern = run[f"L{layer}.pattern"]
    wrong = []
    for (head, query), wanted in recorded.rows.items():
        found = pattern[head, query, : len(wanted)].tolist()
        wrong += apart(f"row {query} of head {head}", found, wanted, CLOSE)
    for (head, query, key), wanted in recorded.entries.items():
        found = float(pattern[head, query, key])
        wrong += apart(f"head {head}, {query} to {key}", [found], [wanted], CLOSE)
    wrong += check_predicted(run, recorded)
    wrong += check_kept(run, layer, recorded)
    return wrong + check_maps(run, layer, recorded)


def looks_from(model, layer, head, prompt, word):
    """The token that a head looks at most from a word that occurs once, special tokens aside."""
    found = ue.attention(model, [layer], [head], prompt=prompt, special="hidden")
    (query,) = (at for at, token in enumerate(found.tokens) if token.text.strip() == word)
    return found.tokens[int(found.values[0, query].argmax())].text.strip()


def check_predicted(run, recorded):
    wrong = []
    for position, wanted in recorded.predicted.items():
        found = run.top(len(wanted), position)
        names = [one.token.text.strip() for one in found]
        if names != [token for token, _ in wanted]:
            wrong.append(f"at {position}: {names}, recorded {[token for token, _ in wanted]}")
        shares = [one.probability for one in found]
        wrong += apart(f"at {position}", shares, [share for _, share in wanted], CLOSE)
    return wrong


def check_kept(run, layer, recorded):
    """The pairs that are drawn, of all heads summed."""
    wrong = []

    def asked(special, mass):
        return ue.attention(run, [layer], combine="sum", special=special, mass=mass)

    for (special, mass), wanted in recorded.kept.items():
        found = len(asked(special, mass).edge_values)
        if found != wanted:
            wrong.append(f"{special}, {mass}: {found} pairs, recorded {wanted}")
    for special, (*wanted, value) in recorded.strongest.items():
        best = asked(special, 1.0)
        pair = [int(best.edge_queries[0]), int(best.edge_keys[0])]
        if pair != wanted:
            wrong.append(f"{special}: the strongest pair is {pair}, recorded {wanted}")
        wrong += apart(f"strongest, {special}", [float(best.edge_values[0])], [value], CLOSE_SUM)
    if recorded.seen:
        edges = asked("hidden", 0.7)
        own = edges.edge_queries == recorded.query
        keys, values = edges.edge_keys[own].tolist(), edges.edge_values[own].tolist()
        if keys != [key for key, _ in recorded.seen]:
            wrong.append(f"from {recorded.query}: {keys}, recorded {recorded.seen}")
        else:
            wanted = [value for _, value in recorded.seen]
            wrong += apart(f"from {recorded.query}", values, wanted, CLOSE_SUM)
    return wrong


def check_maps(run, layer, recorded):
    """What heads send and receive, special tokens hidden."""
    found = ue.attention(run, [layer], special="hidden")
    wrong = []
    for name, wanted, whole in (
        ("received", recorded.received, found.received()),
        ("sent", recorded.sent, found.sent()),
    ):
        if wanted:
            wrong += apart(name, whole[:, recorded.query].tolist(), wanted, CLOSE_MEAN)
    return wrong


def apart(what, found, wanted, limit):
    return [
        f"{what}: {one:.5f}, recorded {other}"
        for one, other in zip(found, wanted, strict=True)
        if abs(one - other) > limit
    ]
